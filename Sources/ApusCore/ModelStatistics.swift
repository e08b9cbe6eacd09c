/// A count of events with the time they took together.
public struct DurationStatistic: Sendable, Hashable {
    public var count: UInt64 = 0
    public var nanoseconds: UInt64 = 0

    public init() {}

    public mutating func add(nanoseconds: UInt64, count: UInt64 = 1) {
        self.count &+= count
        self.nanoseconds &+= nanoseconds
    }
}

/// Counters of one model version, as Triton's statistics extension defines them.
public struct ModelStatistics: Sendable, Hashable {
    /// Times of executions with one batch size.
    public struct Batch: Sendable, Hashable {
        public var computeInput = DurationStatistic()
        public var computeInfer = DurationStatistic()
        public var computeOutput = DurationStatistic()
        public init() {}
    }

    /// Milliseconds since 1970 of the last inference; 0 if none.
    public var lastInferenceMilliseconds: UInt64 = 0
    /// Rows inferred: a batch of n adds n.
    public var inferenceCount: UInt64 = 0
    /// Executions of the model.
    public var executionCount: UInt64 = 0
    public var success = DurationStatistic()
    public var fail = DurationStatistic()
    public var queue = DurationStatistic()
    public var computeInput = DurationStatistic()
    public var computeInfer = DurationStatistic()
    public var computeOutput = DurationStatistic()
    /// By rows in the execution.
    public var batches: [Int: Batch] = [:]

    public init() {}
}
