/// A running estimate of how long one execution takes.
///
/// It falls quickly and rises slowly: one slow run (a page fault, a busy machine) must not make
/// requests with deadlines be refused for long.
struct ExecutionEstimate: Sendable {
    /// 0 until the first execution.
    private(set) var nanoseconds: UInt64 = 0

    mutating func record(nanoseconds sample: UInt64) {
        if nanoseconds == 0 {
            nanoseconds = sample
        } else if sample < nanoseconds {
            nanoseconds -= (nanoseconds - sample) / 2
        } else {
            nanoseconds += (sample - nanoseconds) / 8
        }
    }

    /// Time until a request that comes now would be answered: its own execution after the rounds
    /// of batches that stand before it. 0 when nothing is known.
    func nanosecondsToAnswer(batchesAhead: Int, instanceCount: Int) -> UInt64 {
        let rounds = UInt64(clamping: batchesAhead / max(instanceCount, 1)) &+ 1
        let (time, overflow) = nanoseconds.multipliedReportingOverflow(by: rounds)
        return overflow ? .max : time
    }
}
