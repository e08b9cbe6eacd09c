/// Limits of each model's queue where the model's own configuration sets none.
public struct SchedulerLimits: Sendable, Hashable {
    /// Requests that may wait for one model version.
    public var queueSizeMax: Int
    /// Input bytes that the waiting requests of one model version may hold; one request is always
    /// let in when nothing waits.
    public var queueByteCountMax: Int

    public init(queueSizeMax: Int = 1024, queueByteCountMax: Int = 1 << 30) {
        self.queueSizeMax = max(queueSizeMax, 1)
        self.queueByteCountMax = max(queueByteCountMax, 1)
    }
}
