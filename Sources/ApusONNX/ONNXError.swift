public import ApusCore

/// Why an ONNX file cannot be read.
public enum ONNXError: ServingError, Equatable {
    /// The file cannot be opened or read.
    case unreadable(file: String, reason: String)
    /// The file is not what it was when the reading began; another try may read it whole.
    case changed(file: String)
    /// The bytes at `offset` are not what the format allows there.
    case malformed(file: String, offset: Int, field: String, reason: String)
    /// The messages are well formed, but what they say is not a model.
    case invalid(place: String, reason: String)
    /// Valid ONNX that Apus does not read.
    case unsupported(place: String, reason: String)
    /// More than a reasonable model has, or more memory than the file justifies.
    case limitExceeded(place: String, reason: String)

    public var kind: ErrorKind {
        switch self {
        case .unreadable, .malformed, .invalid: .invalidArgument
        case .unsupported: .unsupported
        case .changed: .unavailable
        case .limitExceeded: .resourceExhausted
        }
    }

    public var message: String {
        switch self {
        case .unreadable(let file, let reason): "\(file): \(reason)"
        case .changed(let file): "\(file): it changed while it was read"
        case .malformed(let file, let offset, let field, let reason):
            "\(file): at byte \(offset)\(field.isEmpty ? "" : " (\(field))"): \(reason)"
        case .invalid(let place, let reason), .unsupported(let place, let reason),
            .limitExceeded(let place, let reason):
            "\(place): \(reason)"
        }
    }
}
