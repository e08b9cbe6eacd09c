/// A free-form parameter of a request or response.
public enum ParameterValue: Sendable, Hashable {
    case bool(Bool)
    case int64(Int64)
    case uint64(UInt64)
    case double(Double)
    case string(String)
}

/// One inference request, decoded; tensors may still be views of the request's body.
public struct InferenceRequest: Sendable {
    /// Echoed in the response; empty if the client gave none.
    public var id: String
    public var inputs: [NamedTensor]
    /// Names of the wanted outputs, in the order of the response; empty means all.
    public var requestedOutputs: [String]
    public var parameters: [String: ParameterValue]
    /// 1 is the highest; 0 is the model's default.
    public var priority: UInt64
    /// Longest time in the queue, and, if it is over a second, in execution; nil is the model's default
    /// for the queue.
    public var timeoutMicroseconds: UInt64?
    /// When an answer is of no use any more, on the clock of `MonotonicClock`.
    public var deadlineNanoseconds: UInt64?
    /// Set when the client has gone.
    public var cancellation: CancellationFlag
    /// When the first byte arrived and when decoding ended, on the clock of `MonotonicClock`.
    public var receivedNanoseconds: UInt64
    public var parsedNanoseconds: UInt64
    /// Where the scheduler notes the times of a traced request; nil for all others.
    public var stageTimes: StageTimes?

    public init(
        id: String = "", inputs: [NamedTensor], requestedOutputs: [String] = [],
        parameters: [String: ParameterValue] = [:], priority: UInt64 = 0,
        timeoutMicroseconds: UInt64? = nil, deadlineNanoseconds: UInt64? = nil,
        cancellation: CancellationFlag = CancellationFlag(),
        receivedNanoseconds: UInt64 = MonotonicClock.nowNanoseconds(),
        parsedNanoseconds: UInt64 = MonotonicClock.nowNanoseconds()
    ) {
        self.id = id
        self.inputs = inputs
        self.requestedOutputs = requestedOutputs
        self.parameters = parameters
        self.priority = priority
        self.timeoutMicroseconds = timeoutMicroseconds
        self.deadlineNanoseconds = deadlineNanoseconds
        self.cancellation = cancellation
        self.receivedNanoseconds = receivedNanoseconds
        self.parsedNanoseconds = parsedNanoseconds
    }
}

/// The answer to one request. Output tensors may be views of a batch's shared output memory.
public struct InferenceResponse: Sendable {
    public var identity: ModelIdentity
    public var id: String
    /// In the order that the request asked for, or the model's order.
    public var outputs: [NamedTensor]
    public var parameters: [String: ParameterValue]

    public init(
        identity: ModelIdentity, id: String, outputs: [NamedTensor],
        parameters: [String: ParameterValue] = [:]
    ) {
        self.identity = identity
        self.id = id
        self.outputs = outputs
        self.parameters = parameters
    }
}
