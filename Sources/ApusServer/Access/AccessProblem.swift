import ApusCore

/// Why somebody may not have what was asked for.
enum AccessProblem: ServingError, Equatable {
    /// A web page had its visitor's browser send the request.
    case foreignPage(origin: String?)
    /// A name that this server does not go by, as in DNS rebinding.
    case unknownHost(String)
    /// Control from another machine, or on behalf of one.
    case remoteControl

    var kind: ErrorKind { .permissionDenied }

    var message: String {
        switch self {
        case .foreignPage(let origin):
            "requests from other sites' pages (\(origin.map { String($0.prefix(200)) } ?? "unnamed")) "
                + "are not allowed; server.cors_allowed_origins lists those that are"
        case .unknownHost(let host):
            "Host \"\(host.prefix(200))\" is not known on a port of this machine only; "
                + "server.allowed_hosts lists further names"
        case .remoteControl:
            "only callers on this machine may change what the server does, unless "
                + "server.allow_remote_control is true"
        }
    }
}
