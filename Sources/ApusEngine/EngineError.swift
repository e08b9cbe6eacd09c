public import ApusCore

/// Errors of the engine: the model's at load, the request's at run.
public enum EngineError: ServingError, Equatable {
    /// No operator of that name, domain and opset.
    case unsupportedOperator(domain: String, name: String, version: Int)
    /// A node's attributes, input count or types do not fit its operator.
    case invalidNode(node: String, reason: String)
    /// The graph as a whole is wrong: a cycle, a missing value, a duplicate name.
    case invalidGraph(String)
    /// Inputs of a run do not fit the model, or fit it but not each other.
    case invalidInput(String)
    /// A limit of the configuration would be exceeded.
    case limitExceeded(String)
    case cancelled
    case outOfMemory(byteCount: Int)

    /// The error for memory that could not be had; nil for all others.
    init?(memory error: CoreError) {
        switch error {
        case .outOfMemory(let byteCount): self = .outOfMemory(byteCount: byteCount)
        case .memoryExhausted: self = .limitExceeded(error.message)
        default: return nil
        }
    }

    public var kind: ErrorKind {
        switch self {
        case .unsupportedOperator: .unsupported
        case .invalidNode, .invalidGraph, .invalidInput: .invalidArgument
        case .limitExceeded, .outOfMemory: .resourceExhausted
        case .cancelled: .cancelled
        }
    }

    public var message: String {
        switch self {
        case .unsupportedOperator(let domain, let name, let version):
            "operator \(domain.isEmpty ? "ai.onnx" : domain).\(name), opset \(version), "
                + "is not supported"
        case .invalidNode(let node, let reason): "node \(node): \(reason)"
        case .invalidGraph(let reason): "graph: \(reason)"
        case .invalidInput(let reason): reason
        case .limitExceeded(let reason): reason
        case .cancelled: "the request was cancelled"
        case .outOfMemory(let byteCount): "cannot allocate \(byteCount) bytes"
        }
    }
}
