public import ApusCore

/// Errors of the server as a whole.
public enum ServerError: ServingError, Equatable {
    case cannotListen(address: String, reason: String)
    case alreadyStarted
    case stopping
    /// Asked for its health.
    case unknownService(String)

    public var kind: ErrorKind {
        switch self {
        case .cannotListen, .alreadyStarted: .internal
        case .stopping: .unavailable
        case .unknownService: .notFound
        }
    }

    public var message: String {
        switch self {
        case .cannotListen(let address, let reason): "cannot listen on \(address): \(reason)"
        case .alreadyStarted: "the server was started before"
        case .stopping: "the server is stopping"
        case .unknownService(let name): "no service \"\(name)\""
        }
    }
}
