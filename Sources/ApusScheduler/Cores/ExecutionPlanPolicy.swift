/// How many instances of a model run at a time, and on how many cores each: pure.
///
/// A request that comes alone gets all free cores. When batches queue up, the free cores are shared
/// out among them, down to one core per instance, which loses nothing to waiting for each other.
/// The answers do not depend on it: the engine gives the same bits on any number of cores.
struct ExecutionPlanPolicy: Sendable, Equatable {
    let coreCount: Int
    let instanceCountMax: Int
    /// Whether the configuration wants that many to run at a time even if cores run out.
    let isInstanceCountConfigured: Bool

    /// - Parameter configuredInstanceCount: 0 = one instance per core.
    init(configuredInstanceCount: Int, coreCount: Int) {
        self.coreCount = max(coreCount, 1)
        isInstanceCountConfigured = configuredInstanceCount > 0
        instanceCountMax = isInstanceCountConfigured ? configuredInstanceCount : self.coreCount
    }

    /// How many more instances may start now.
    ///
    /// A model of which nothing runs may always start one, so that it does not depend on other
    /// models' giving cores back.
    func freeInstances(runningCount: Int, freeCoreCount: Int) -> Int {
        let unused = max(instanceCountMax - runningCount, 0)
        if isInstanceCountConfigured { return unused }
        return min(unused, max(freeCoreCount, runningCount == 0 ? 1 : 0))
    }

    /// Cores for the batch that starts now.
    ///
    /// - Parameters:
    ///   - readyBatchCount: batches that could run now, this one included.
    ///   - freeInstances: instances that may start now, the one of this batch included.
    func threadCount(readyBatchCount: Int, freeInstances: Int, freeCoreCount: Int) -> Int {
        let sharers = max(min(readyBatchCount, freeInstances), 1)
        return max(min(freeCoreCount, coreCount) / sharers, 1)
    }

    /// For the log at start, e.g. `up to 2 instances on 2 cores`.
    var summary: String {
        "up to \(instanceCountMax) instance\(instanceCountMax == 1 ? "" : "s") on \(coreCount) "
            + "core\(coreCount == 1 ? "" : "s")"
    }
}
