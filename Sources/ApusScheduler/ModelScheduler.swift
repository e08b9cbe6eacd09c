public import ApusCore
public import ApusMetrics
import Dispatch
public import Logging

/// Serves one loaded model version: admits requests, batches them and runs them on instances.
///
/// The state that decides (waiting requests, free instances) belongs to the serial `queue`. Callers
/// and instances enter it with `sync` for a microsecond, so that a request to an idle model wakes
/// one thread only, the instance's, and an instance takes its next batch without waking any. What
/// was decided (answers, starts of instances) is done after leaving it.
///
/// `@unchecked Sendable` because `state` is touched only on `queue`.
public final class ModelScheduler: Servable, ModelMetricsProvider, @unchecked Sendable {
    public let identity: ModelIdentity
    public let signature: ModelSignature
    public let configuration: ModelConfiguration
    public let labels: [String: [String]]

    let model: any ExecutableModel
    let check: RequestCheck
    let rules: QueueRules
    let plan: ExecutionPlanPolicy
    let scatter: Scatter
    let limits: SchedulerLimits
    let cores: CoreBudget
    let record: ExecutionRecord
    let logger: Logger
    let clock: @Sendable () -> UInt64
    let queue: DispatchQueue
    /// For `preserve_ordering`: answers leave on it, in the order of `state.order`.
    let answerQueue: DispatchQueue?
    /// On `queue`.
    var state: State

    /// What changes, on `queue`.
    struct State {
        var policy: BatchingPolicy
        var pending = PendingQueue<Ticketed>()
        var idleRunners: [InstanceRunner] = []
        /// Runners made so far, idle or busy.
        var runnerCount = 0
        /// Lowered when an instance cannot be made.
        var runnerCountMax: Int
        var runningCount = 0
        var estimate = ExecutionEstimate()
        /// Admitted requests that have not been answered.
        var outstandingCount = 0
        var isDraining = false
        var drainWaiters: [CheckedContinuation<Void, Never>] = []
        var order: ResponseOrder<Answered>?
        var timer: (any DispatchSourceTimer)?
        /// What the timer is set to; `.max` = not set.
        var timerNanoseconds = UInt64.max
        /// Keeps the scheduler alive while it owes answers.
        var whileBusy: ModelScheduler?
    }

    /// Makes the first instance, so that a model that cannot run fails here.
    ///
    /// - Parameters:
    ///   - configuration: completed with what the model says; its instance count 0 is replaced by
    ///     the number of cores.
    ///   - labels: by output name.
    ///   - cores: the one budget of the process.
    /// - Throws: what making an instance throws.
    public convenience init(
        model: any ExecutableModel, identity: ModelIdentity, configuration: ModelConfiguration,
        labels: [String: [String]] = [:], limits: SchedulerLimits = SchedulerLimits(),
        cores: CoreBudget, metrics: Metrics, logger: Logger
    ) throws {
        try self.init(
            model: model, identity: identity, configuration: configuration, labels: labels,
            limits: limits, cores: cores, metrics: metrics, logger: logger,
            clock: MonotonicClock.nowNanoseconds)
    }

    /// - Parameter clock: nanoseconds; tests turn it by hand, then call `wake()`.
    init(
        model: any ExecutableModel, identity: ModelIdentity, configuration: ModelConfiguration,
        labels: [String: [String]], limits: SchedulerLimits, cores: CoreBudget, metrics: Metrics,
        logger: Logger, clock: @escaping @Sendable () -> UInt64
    ) throws {
        let plan = ExecutionPlanPolicy(
            configuredInstanceCount: configuration.instanceCount, coreCount: cores.coreCount)
        let policy = BatchingPolicy(configuration)
        var completed = configuration
        completed.instanceCount = plan.instanceCountMax
        completed.dynamicBatching?.preferredBatchSizes = policy.preferredBatchSizes
        self.model = model
        self.identity = identity
        self.signature = model.signature
        self.configuration = completed
        self.labels = labels
        self.limits = limits
        self.cores = cores
        self.plan = plan
        self.logger = logger
        self.clock = clock
        check = RequestCheck(
            identity: identity, signature: model.signature, configuration: configuration)
        rules = QueueRules(configuration, limits: limits)
        scatter = Scatter(
            identity: identity, signature: model.signature,
            isBatched: configuration.maxBatchSize > 0)
        record = ExecutionRecord(
            metrics: metrics.model(
                name: identity.name.text, version: identity.version.description,
                tags: configuration.metricTags))
        queue = DispatchQueue(label: "apus.model.\(identity)")
        let preservesOrder =
            policy.isJoining && configuration.dynamicBatching?.preserveOrdering == true
        answerQueue = preservesOrder ? DispatchQueue(label: "apus.answers.\(identity)") : nil
        state = State(policy: policy, runnerCountMax: plan.instanceCountMax)
        if preservesOrder { state.order = ResponseOrder() }
        let runner = InstanceRunner(model: model, label: "apus.instance.\(identity).0")
        try runner.prepare()
        state.idleRunners = [runner]
        state.runnerCount = 1
    }

    deinit { state.timer?.cancel() }

    public var statistics: ModelStatistics { record.statistics }
    public var metrics: ModelMetrics { record.metrics }

    /// How it runs, for the log, e.g. `up to 2 instances on 2 cores`.
    public var planSummary: String { plan.summary }

    public func drain() async {
        await withCheckedContinuation { continuation in
            var actions = Actions()
            let isIdle = queue.sync {
                state.isDraining = true
                // Nobody comes any more: waiting for company is over.
                state.policy.queueDelayNanoseconds = 0
                decide(&actions)
                if state.outstandingCount > 0 { state.drainWaiters.append(continuation) }
                return state.outstandingCount == 0
            }
            perform(actions)
            if isIdle { continuation.resume() }
        }
    }

    /// Decides anew, as the timer does when a delay or timeout is over.
    func wake() {
        var actions = Actions()
        queue.sync { decide(&actions) }
        perform(actions)
    }
}
