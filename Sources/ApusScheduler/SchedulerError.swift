public import ApusCore

/// Errors of admission, queue and batch.
public enum SchedulerError: ServingError, Equatable {
    // The request does not fit the model.
    case unknownInput(model: ModelIdentity, input: String)
    case duplicateInput(model: ModelIdentity, input: String)
    case missingInput(model: ModelIdentity, input: String)
    case wrongDataType(
        model: ModelIdentity, input: String, found: DataType, expected: DataType)
    case wrongShape(model: ModelIdentity, input: String, found: Shape, expected: Shape)
    case wrongRowCount(model: ModelIdentity, input: String, found: Int, expected: Int)
    case batchTooLarge(model: ModelIdentity, rowCount: Int, rowCountMax: Int)
    case unknownOutput(model: ModelIdentity, output: String)
    // Not now.
    case queueFull(model: ModelIdentity, requestCountMax: Int, retryAfterSeconds: Int)
    case queueBytesExceeded(model: ModelIdentity, byteCountMax: Int, retryAfterSeconds: Int)
    case timedOutInQueue(model: ModelIdentity, waitedMicroseconds: UInt64)
    case draining(model: ModelIdentity)
    // Too late, or not wanted any more.
    case deadlinePassed(model: ModelIdentity)
    case deadlineUnreachable(
        model: ModelIdentity, neededMicroseconds: UInt64, remainingMicroseconds: UInt64)
    case executionTimedOut(model: ModelIdentity, limitMicroseconds: UInt64)
    case cancelled(model: ModelIdentity)
    // The model broke its own contract.
    case wrongOutputCount(model: ModelIdentity, found: Int, expected: Int)
    case outputNotBatched(model: ModelIdentity, output: String, found: Shape, rowCount: Int)

    public var kind: ErrorKind {
        switch self {
        case .unknownInput, .duplicateInput, .missingInput, .wrongDataType, .wrongShape,
            .wrongRowCount, .batchTooLarge, .unknownOutput:
            .invalidArgument
        case .queueFull, .queueBytesExceeded, .timedOutInQueue, .draining: .unavailable
        case .deadlinePassed, .deadlineUnreachable, .executionTimedOut: .deadlineExceeded
        case .cancelled: .cancelled
        case .wrongOutputCount, .outputNotBatched: .internal
        }
    }

    public var message: String {
        switch self {
        case .unknownInput(let model, let input): "model \(model) has no input \"\(input)\""
        case .duplicateInput(let model, let input):
            "input \"\(input)\" of model \(model) is given twice"
        case .missingInput(let model, let input):
            "input \"\(input)\" of model \(model) is missing"
        case .wrongDataType(let model, let input, let found, let expected):
            "input \"\(input)\" of model \(model) has type \(Self.name(found)), expected "
                + Self.name(expected)
        case .wrongShape(let model, let input, let found, let expected):
            "input \"\(input)\" of model \(model) has shape \(found), expected \(expected), where "
                + "-1 is any length"
        case .wrongRowCount(let model, let input, let found, let expected):
            "input \"\(input)\" of model \(model) has batch size \(found), but the first input has "
                + "\(expected)"
        case .batchTooLarge(let model, let rowCount, let rowCountMax):
            "batch size \(rowCount) is more than max_batch_size \(rowCountMax) of model \(model)"
        case .unknownOutput(let model, let output): "model \(model) has no output \"\(output)\""
        case .queueFull(let model, let requestCountMax, _):
            "exceeds maximum queue size: model \(model) has \(requestCountMax) requests waiting"
        case .queueBytesExceeded(let model, let byteCountMax, _):
            "exceeds maximum queue size: requests for model \(model) may hold \(byteCountMax) bytes"
        case .timedOutInQueue(let model, let waitedMicroseconds):
            "request timeout expired: waited \(waitedMicroseconds) µs for model \(model)"
        case .draining(let model): "model \(model) is being unloaded"
        case .deadlinePassed(let model):
            "the request's deadline passed before model \(model) could answer it"
        case .deadlineUnreachable(let model, let neededMicroseconds, let remainingMicroseconds):
            "the request's deadline is \(remainingMicroseconds) µs away, but model \(model) needs "
                + "about \(neededMicroseconds) µs"
        case .executionTimedOut(let model, let limitMicroseconds):
            "the execution took longer than execution_timeout of model \(model), "
                + "\(limitMicroseconds) µs"
        case .cancelled(let model): "the request to model \(model) was cancelled"
        case .wrongOutputCount(let model, let found, let expected):
            "model \(model) gave \(found) outputs, expected \(expected)"
        case .outputNotBatched(let model, let output, let found, let rowCount):
            "output \"\(output)\" of model \(model) has shape \(found), expected \(rowCount) as "
                + "first dimension, the batch size; set max_batch_size to 0 for a model whose "
                + "outputs do not follow the batch"
        }
    }

    public var retryAfterSeconds: Int? {
        switch self {
        case .queueFull(_, _, let seconds), .queueBytesExceeded(_, _, let seconds): seconds
        case .timedOutInQueue: 1
        default: nil
        }
    }

    private static func name(_ type: DataType) -> String { type.wireName ?? "\(type)" }
}
