public import ApusCore

/// Errors of the server as a whole.
public enum ServerError: ServingError, Equatable {
    case cannotListen(address: String, reason: String)
    case alreadyStarted
    case stopping
    case tooManyConnections
    /// Asked for its health.
    case unknownService(String)
    case invalidAlias(String)
    case tooManyAliases(countMax: Int)

    public var kind: ErrorKind {
        switch self {
        case .cannotListen, .alreadyStarted: .internal
        case .stopping, .tooManyConnections: .unavailable
        case .unknownService: .notFound
        case .invalidAlias: .invalidArgument
        case .tooManyAliases: .resourceExhausted
        }
    }

    public var message: String {
        switch self {
        case .cannotListen(let address, let reason): "cannot listen on \(address): \(reason)"
        case .alreadyStarted: "the server was started before"
        case .stopping: "the server is stopping"
        case .tooManyConnections: "the server has as many connections as it may"
        case .unknownService(let name): "no service \"\(name)\""
        case .invalidAlias(let name):
            "\"\(name.prefix(255))\" cannot name a version: use 1 to 255 bytes without spaces, the "
                + "first of them no digit"
        case .tooManyAliases(let countMax):
            "at most \(countMax) names of versions can be set over the network"
        }
    }
}
