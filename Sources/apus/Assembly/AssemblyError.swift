import ApusCore

/// Why a bundle cannot become a servable.
enum AssemblyError: ServingError, Equatable {
    /// The configuration does not fit the model.
    case configuration(reason: String)
    /// `model.yaml` is not readable.
    case yaml(line: Int, reason: String)
    /// `MLmodel` is not readable, or of another kind of model.
    case mlflow(reason: String)
    /// The file of `model_config_file` or `batching_parameters_file`.
    case modelServerFile(path: String, reason: String)
    case labels(path: String, reason: String)
    /// A golden case gave another answer or could not be run.
    case goldenCase(path: String, reason: String)
    case memory(byteCount: Int, byteCountMax: Int)

    var kind: ErrorKind {
        switch self {
        case .configuration, .yaml, .mlflow, .modelServerFile, .labels, .goldenCase:
            .invalidArgument
        case .memory: .resourceExhausted
        }
    }

    var message: String {
        switch self {
        case .configuration(let reason): "the configuration does not fit the model: \(reason)"
        case .yaml(let line, let reason): "model.yaml:\(line): \(reason)"
        case .mlflow(let reason): "MLmodel: \(reason)"
        case .modelServerFile(let path, let reason): "\(path): \(reason)"
        case .labels(let path, let reason): "labels \(path): \(reason)"
        case .goldenCase(let path, let reason): "golden case \(path): \(reason)"
        case .memory(let byteCount, let byteCountMax):
            "the model needs \(byteCount >> 20) MiB, memory_limit is \(byteCountMax >> 20) MiB"
        }
    }
}
