/// What went wrong, as far as a client must tell errors apart. The status codes of each protocol
/// stand in `ApusServer/StatusTable.swift`.
public enum ErrorKind: String, Sendable, CaseIterable {
    /// The request or the model is wrong and will be wrong again.
    case invalidArgument
    /// No such model, version, or route.
    case notFound
    /// Not now: loading, overloaded, or stopping. Try again.
    case unavailable
    /// A limit of the configuration would be exceeded, e.g. the body size.
    case resourceExhausted
    /// Not for whoever asks, or not from where.
    case permissionDenied
    /// The request's deadline passed, or cannot be met.
    case deadlineExceeded
    /// Understood, but not offered by this server.
    case unsupported
    /// The client went away.
    case cancelled
    /// Our mistake.
    case `internal`
}

/// An error that may reach a client: each layer has one enum that conforms.
public protocol ServingError: Error, Sendable, CustomStringConvertible {
    var kind: ErrorKind { get }
    /// Names the thing, what was found, what was allowed, and where it helps, what to do.
    var message: String { get }
    /// When trying again may help, for `unavailable`; nil if nobody knows.
    var retryAfterSeconds: Int? { get }
}

extension ServingError {
    public var description: String { message }
    public var retryAfterSeconds: Int? { nil }
}

/// Errors of the shared values.
public enum CoreError: ServingError, Equatable {
    case invalidShape(Shape)
    case byteCountMismatch(found: Int, expected: Int, shape: Shape)
    case outOfMemory(byteCount: Int)
    /// A limit of the configuration; `account` is the setting.
    case memoryExhausted(account: String, wanted: Int, held: Int, limit: Int)
    case invalidModelName(String)
    case invalidModelVersion(String)

    public var kind: ErrorKind {
        switch self {
        case .invalidShape, .byteCountMismatch, .invalidModelName, .invalidModelVersion:
            .invalidArgument
        case .outOfMemory, .memoryExhausted: .resourceExhausted
        }
    }

    public var message: String {
        switch self {
        case .invalidShape(let shape):
            "shape \(shape) has a negative dimension, too many elements, or does not fit the data"
        case .byteCountMismatch(let found, let expected, let shape):
            "tensor of shape \(shape) has \(found) bytes, expected \(expected)"
        case .outOfMemory(let byteCount): "cannot allocate \(byteCount) bytes"
        case .memoryExhausted(let account, let wanted, let held, let limit):
            "cannot take \(wanted) bytes more: \(account) is \(limit) bytes, of which \(held) are in "
                + "use"
        case .invalidModelName(let name):
            "model name \"\(name)\" is not allowed: use 1 to 255 bytes of UTF-8 without \"/\", "
                + "control characters, or a leading \".\""
        case .invalidModelVersion(let text):
            "model version \"\(text)\" is not allowed: use a decimal number without leading zeros"
        }
    }
}
