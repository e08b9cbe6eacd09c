import ApusCore

/// The level, size limit and timeout that a model's configuration gives a request.
struct QueueRules: Sendable {
    /// What holds for one request while it waits.
    struct Terms: Equatable {
        let level: Int
        let queueSizeMax: Int
        /// `.max` = none.
        let timeoutNanoseconds: UInt64
        let timeoutAction: ModelConfiguration.QueuePolicy.TimeoutAction
        /// How long the request's own timeout lets its execution take; nil = as long as it takes.
        let executionNanosecondsMax: UInt64?
    }

    /// A request's own timeout is meant for its wait first of all: it cuts no execution shorter.
    static let executionNanosecondsMin: UInt64 = 1_000_000_000

    private let batching: ModelConfiguration.DynamicBatching
    private let limits: SchedulerLimits

    init(_ configuration: ModelConfiguration, limits: SchedulerLimits) {
        batching = configuration.dynamicBatching ?? ModelConfiguration.DynamicBatching()
        self.limits = limits
    }

    /// - Parameter now: when the request is enqueued; timeouts count from there.
    func terms(priority: UInt64, timeoutMicroseconds: UInt64?, now: UInt64) -> Terms {
        let level = level(priority: priority)
        let policy = batching.priorityQueuePolicies[level] ?? batching.defaultQueuePolicy
        var timeout = policy.defaultTimeoutMicroseconds
        if policy.allowTimeoutOverride, let wanted = timeoutMicroseconds, wanted > 0 {
            // A request can only shorten the model's timeout, but set one where there is none.
            timeout = timeout == 0 ? wanted : min(timeout, wanted)
        }
        return Terms(
            level: level,
            queueSizeMax: policy.maxQueueSize > 0 ? policy.maxQueueSize : limits.queueSizeMax,
            timeoutNanoseconds: Self.time(timeout, after: now),
            timeoutAction: policy.timeoutAction,
            executionNanosecondsMax: policy.allowTimeoutOverride
                ? Self.executionNanosecondsMax(timeoutMicroseconds) : nil)
    }

    /// 0 or a priority beyond the levels means the default level.
    private func level(priority: UInt64) -> Int {
        guard batching.priorityLevels > 0 else { return 0 }
        if priority > 0, priority <= UInt64(batching.priorityLevels) { return Int(priority) }
        return batching.defaultPriorityLevel > 0 ? batching.defaultPriorityLevel : 1
    }

    private static func executionNanosecondsMax(_ timeoutMicroseconds: UInt64?) -> UInt64? {
        guard let timeout = timeoutMicroseconds, timeout > 0 else { return nil }
        let (nanoseconds, isOver) = timeout.multipliedReportingOverflow(by: 1000)
        return isOver ? nil : max(nanoseconds, executionNanosecondsMin)
    }

    private static func time(_ microseconds: UInt64, after now: UInt64) -> UInt64 {
        guard microseconds > 0 else { return .max }
        let (nanoseconds, tooLong) = microseconds.multipliedReportingOverflow(by: 1000)
        let (time, tooLate) = now.addingReportingOverflow(nanoseconds)
        return tooLong || tooLate ? .max : time
    }
}
