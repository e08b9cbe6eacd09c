public import ApusCore
public import ApusMetrics
import Dispatch
public import Logging

/// Serves one loaded model version: admits requests, batches them and runs them on instances.
///
/// Each instance has a serial dispatch queue. Who waits and who runs is a value behind a lock, which
/// front ends and instances hold for a microsecond to decide; what was decided (answers, starts of
/// instances) is done after leaving it. So a request to an idle model wakes one thread only, the
/// instance's, and under load an instance takes its next batch without any wake-up. (Measured
/// against a serial queue for that state, on two cores with 64 requests outstanding: 3 to 8 times
/// the requests per second.)
public final class ModelScheduler: Servable, ModelMetricsProvider {
    public let identity: ModelIdentity
    public let signature: ModelSignature
    public let configuration: ModelConfiguration
    public let labels: [String: [String]]
    public let exampleInputs: [NamedTensor]

    let check: RequestCheck
    let rules: QueueRules
    let scatter: Scatter
    /// Nil where a request runs whole, however many rows it has.
    let split: RowSplit?
    let record: ExecutionRecord
    let logger: Logger
    let clock: @Sendable () -> UInt64
    /// The same time for executions, which ask for it often.
    let runClock: @Sendable () -> UInt64
    /// How long one execution may take; nil = for ever.
    let executionNanosecondsMax: UInt64?
    /// Ends every execution.
    let end = CancellationFlag()
    /// For `preserve_ordering`: answers leave on it, in the order of `state.order`.
    let answerQueue: DispatchQueue?
    let state: Guarded<SchedulerState>
    private let plan: ExecutionPlanPolicy
    private let model: any ExecutableModel

    /// Makes the first instance, so that a model that cannot run fails here.
    ///
    /// - Parameters:
    ///   - configuration: completed with what the model says; its instance count 0 is replaced by
    ///     the number of cores.
    ///   - labels: by output name.
    ///   - exampleInputs: a small request that the model is known to answer.
    ///   - cores: the one budget of the process.
    /// - Throws: what making an instance throws.
    public convenience init(
        model: any ExecutableModel, identity: ModelIdentity, configuration: ModelConfiguration,
        labels: [String: [String]] = [:], limits: SchedulerLimits = SchedulerLimits(),
        exampleInputs: [NamedTensor] = [], cores: CoreBudget, metrics: Metrics, logger: Logger
    ) throws {
        try self.init(
            model: model, identity: identity, configuration: configuration, labels: labels,
            limits: limits, exampleInputs: exampleInputs, cores: cores, metrics: metrics,
            logger: logger, clock: MonotonicClock.nowNanoseconds,
            runClock: MonotonicClock.coarseNanoseconds)
    }

    /// - Parameters:
    ///   - clock: nanoseconds; tests turn it by hand, then call `wake()`.
    ///   - runClock: the same time, perhaps less exact.
    init(
        model: any ExecutableModel, identity: ModelIdentity, configuration: ModelConfiguration,
        labels: [String: [String]], limits: SchedulerLimits, exampleInputs: [NamedTensor] = [],
        cores: CoreBudget, metrics: Metrics, logger: Logger,
        clock: @escaping @Sendable () -> UInt64, runClock: @escaping @Sendable () -> UInt64
    ) throws {
        let plan = ExecutionPlanPolicy(
            configuredInstanceCount: configuration.instanceCount, coreCount: cores.coreCount)
        let policy = BatchingPolicy(configuration)
        var completed = configuration
        completed.instanceCount = plan.instanceCountMax
        completed.dynamicBatching?.preferredBatchSizes = policy.preferredBatchSizes
        self.identity = identity
        self.signature = model.signature
        self.configuration = completed
        self.labels = labels
        self.model = model
        self.exampleInputs = exampleInputs
        self.plan = plan
        self.logger = logger
        self.clock = clock
        self.runClock = runClock
        let limit = configuration.executionTimeoutMicroseconds
        let (nanoseconds, isOver) = limit.multipliedReportingOverflow(by: 1000)
        executionNanosecondsMax = limit == 0 || isOver ? nil : nanoseconds
        check = RequestCheck(
            identity: identity, signature: model.signature, configuration: configuration)
        rules = QueueRules(configuration, limits: limits)
        scatter = Scatter(
            identity: identity, signature: model.signature,
            isBatched: configuration.joinsRequests)
        split =
            configuration.maxBatchSize > 0 && configuration.rows.isIndependent
            ? RowSplit(rowCountMax: configuration.maxBatchSize) : nil
        let runner = InstanceRunner(model: model, label: "apus.instance.\(identity).0")
        try runner.prepare()
        let record = ExecutionRecord(
            metrics: metrics.model(
                name: identity.name.text, version: identity.version.description,
                tags: configuration.metricTags))
        self.record = record
        let preservesOrder = policy.isJoining && completed.dynamicBatching?.preserveOrdering == true
        answerQueue = preservesOrder ? DispatchQueue(label: "apus.answers.\(identity)") : nil
        let context = SchedulerContext(
            identity: identity, model: model, limits: limits, plan: plan, cores: cores,
            record: record)
        state = Guarded(
            SchedulerState(
                context: context, policy: policy, firstRunner: runner,
                preservesOrder: preservesOrder))
        let timerQueue = DispatchQueue(label: "apus.timer.\(identity)")
        let timer = WakeTimer(queue: timerQueue) { @Sendable [weak self] in
            self?.state.withLock { $0.timer?.fired() }
            self?.wake()
        }
        state.withLock { $0.timer = timer }
    }

    deinit { state.withLock { $0.timer?.cancel() } }

    public var memoryByteCount: Int { model.memoryByteCount }
    public var statistics: ModelStatistics { record.statistics }
    public var metrics: ModelMetrics { record.metrics }

    /// How it runs, for the log, e.g. `up to 2 instances on 2 cores`.
    public var planSummary: String { plan.summary }

    public func infer(
        _ request: InferenceRequest,
        completion: @escaping @Sendable (Result<InferenceResponse, any Error>) -> Void
    ) {
        infer([InferenceSubmission(request, completion: completion)])
    }

    public func infer(_ submissions: [InferenceSubmission]) {
        var actions = Actions()
        let now = clock()
        for submission in submissions { admit(submission, now: now, &actions) }
        state.withLock { $0.decide(now: now, &actions) }
        perform(actions)
    }

    /// Lets a request wait, or answers why not.
    private func admit(_ submission: InferenceSubmission, now: UInt64, _ actions: inout Actions) {
        let request = submission.request
        do throws(SchedulerError) {
            let checked = try check.checked(request)
            let terms = rules.terms(
                priority: request.priority, timeoutMicroseconds: request.timeoutMicroseconds,
                now: now)
            let pending = PendingRequest(
                request, checked: checked, enqueuedNanoseconds: now,
                executionNanosecondsMax: terms.executionNanosecondsMax,
                completion: submission.completion)
            try state.withLock { state throws(SchedulerError) in
                try state.admit(
                    pending, key: checked.key, terms: terms, now: now, keeping: self, &actions)
            }
        } catch {
            // Nobody else knows the request: it is answered here.
            record.failed(
                receivedNanoseconds: request.receivedNanoseconds, now: now, error: error,
                isExecuted: false)
            submission.completion(.failure(error))
        }
    }

    public func drain() async {
        await withCheckedContinuation { continuation in
            var actions = Actions()
            let now = clock()
            let isIdle = state.withLock { state in
                state.isDraining = true
                // Nobody comes any more: waiting for company is over.
                state.policy.queueDelayNanoseconds = 0
                state.decide(now: now, &actions)
                if !state.isIdle { state.drainWaiters.append(continuation) }
                return state.isIdle
            }
            perform(actions)
            if isIdle { continuation.resume() }
        }
    }

    public func abandon() {
        end.cancel()
        var actions = Actions()
        let now = clock()
        state.withLock { $0.abandon(now: now, &actions) }
        perform(actions)
    }

    /// Decides anew, as the timer does when a delay or timeout is over.
    func wake() {
        var actions = Actions()
        let now = clock()
        state.withLock { $0.decide(now: now, &actions) }
        perform(actions)
    }
}
