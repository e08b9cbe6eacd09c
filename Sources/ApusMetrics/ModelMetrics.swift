/// How a request that reached a model ended.
public enum RequestOutcome: Int, Sendable, CaseIterable {
    case success
    /// Refused at admission: queue full, deadline out of reach, or stopping.
    case rejected
    /// Waited longer than its timeout allows, or past its deadline.
    case timedOut
    case cancelled
    /// The model could not run it, or gave a wrong answer.
    case failed
    /// The request does not fit the model.
    case invalid

    /// The value of the label `outcome`.
    public var label: String {
        switch self {
        case .success: "success"
        case .rejected: "rejected"
        case .timedOut: "timed_out"
        case .cancelled: "cancelled"
        case .failed: "failed"
        case .invalid: "invalid"
        }
    }

    /// Triton's word for a failure; nil for success.
    var tritonReason: String? {
        switch self {
        case .success: nil
        case .rejected, .timedOut: "REJECTED"
        case .cancelled: "CANCELED"
        case .failed: "BACKEND"
        case .invalid: "OTHER"
        }
    }
}

/// The stages of a request, in order: the server records receive, parse and send, the scheduler
/// the others.
public enum RequestStage: Int, Sendable, CaseIterable {
    case receive
    case parse
    case queue
    case gather
    case compute
    case scatter
    case send

    /// The value of the label `stage`.
    public var label: String { "\(self)" }
}

/// What has handles of a model version: the server asks a `Servable` for them.
public protocol ModelMetricsProvider: AnyObject {
    var metrics: ModelMetrics { get }
}

/// The kept handles of one model version.
public final class ModelMetrics: Sendable {
    public let batchSize: Histogram
    public let queueDepth: Gauge
    public let queueBytes: Gauge
    public let instancesBusy: Gauge

    private let lease: SeriesLease
    private let requests: [Counter]
    private let stages: [Histogram]
    private let duration: Histogram
    private let inferences: Counter
    private let executions: Counter
    private let triton: TritonModelMetrics
    private let torchServe: TorchServeModelMetrics?

    init(
        registry: MetricRegistry, name: String, version: String, tags: [String: String],
        torchServeHost: String?
    ) {
        let lease = registry.makeLease()
        let labels = [name, version]
        self.lease = lease
        batchSize = registry.histogram(MetricCatalogue.batchSize, labels, lease: lease)
        queueDepth = registry.gauge(MetricCatalogue.queueDepth, labels, lease: lease)
        queueBytes = registry.gauge(MetricCatalogue.queueBytes, labels, lease: lease)
        instancesBusy = registry.gauge(MetricCatalogue.instancesBusy, labels, lease: lease)
        requests = RequestOutcome.allCases.map {
            registry.counter(MetricCatalogue.requests, labels + [$0.label], lease: lease)
        }
        stages = RequestStage.allCases.map {
            registry.histogram(MetricCatalogue.stageDuration, labels + [$0.label], lease: lease)
        }
        duration = registry.histogram(MetricCatalogue.requestDuration, labels, lease: lease)
        inferences = registry.counter(MetricCatalogue.inferences, labels, lease: lease)
        executions = registry.counter(MetricCatalogue.executions, labels, lease: lease)
        triton = TritonModelMetrics(registry: registry, labels: labels, tags: tags, lease: lease)
        torchServe = torchServeHost.map {
            TorchServeModelMetrics(registry: registry, labels: labels + [$0], lease: lease)
        }
    }

    /// Counts a request that ended, with the time since its first byte.
    public func recordRequest(_ outcome: RequestOutcome, nanoseconds: UInt64) {
        requests[outcome.rawValue].add()
        duration.observe(nanoseconds)
        if outcome == .success { triton.requestDuration.add(nanoseconds) }
        triton.counter(of: outcome).add()
        torchServe?.requests.add()
        torchServe?.latency.add(nanoseconds)
    }

    /// Records the time of one request in a stage.
    public func recordStage(_ stage: RequestStage, nanoseconds: UInt64) {
        recordStage(stage, nanoseconds: nanoseconds, requestCount: 1)
    }

    /// Records the time of a stage that all requests of a batch went through together.
    public func recordStage(_ stage: RequestStage, nanoseconds: UInt64, requestCount: Int) {
        let count = UInt64(clamping: requestCount)
        stages[stage.rawValue].observe(nanoseconds, count: count)
        triton.duration(of: stage)?.add(nanoseconds &* count)
        if stage == .queue { torchServe?.queueLatency.add(nanoseconds &* count) }
    }

    /// Counts an execution over `rowCount` rows.
    public func recordExecution(rowCount: Int) {
        let rows = UInt64(clamping: rowCount)
        batchSize.observe(rows)
        inferences.add(rows)
        executions.add()
        triton.count.add(rows)
        triton.executions.add()
    }

    /// A request joined the queue.
    public func recordEnqueued(byteCount: Int) {
        queueDepth.add(1)
        queueBytes.add(Int64(byteCount))
        triton.pending.add(1)
    }

    /// A request left the queue, for an instance or with an error.
    public func recordDequeued(byteCount: Int) {
        queueDepth.subtract(1)
        queueBytes.subtract(Int64(byteCount))
        triton.pending.subtract(1)
    }
}

/// The same under TorchServe's names.
private struct TorchServeModelMetrics: Sendable {
    let requests: Counter
    let latency: Counter
    let queueLatency: Counter

    init(registry: MetricRegistry, labels: [String], lease: SeriesLease) {
        requests = registry.counter(MetricCatalogue.torchServeRequests, labels, lease: lease)
        latency = registry.counter(MetricCatalogue.torchServeLatency, labels, lease: lease)
        queueLatency = registry.counter(
            MetricCatalogue.torchServeQueueLatency, labels, lease: lease)
    }
}

/// The same under Triton's names.
private struct TritonModelMetrics: Sendable {
    let success: Counter
    let failureByOutcome: [Counter?]
    let count: Counter
    let executions: Counter
    let requestDuration: Counter
    let queueDuration: Counter
    let computeInput: Counter
    let computeInfer: Counter
    let computeOutput: Counter
    let pending: Gauge

    init(
        registry: MetricRegistry, labels: [String], tags: [String: String], lease: SeriesLease
    ) {
        func counter(_ declaration: MetricDeclaration, _ extra: [String] = []) -> Counter {
            registry.counter(declaration, labels + extra, tags: tags, lease: lease)
        }
        success = counter(MetricCatalogue.tritonSuccess)
        let reasons = Set(RequestOutcome.allCases.compactMap(\.tritonReason))
        let failures = Dictionary(
            uniqueKeysWithValues: reasons.map { ($0, counter(MetricCatalogue.tritonFailure, [$0])) }
        )
        failureByOutcome = RequestOutcome.allCases.map { $0.tritonReason.flatMap { failures[$0] } }
        count = counter(MetricCatalogue.tritonCount)
        executions = counter(MetricCatalogue.tritonExecutions)
        requestDuration = counter(MetricCatalogue.tritonRequestDuration)
        queueDuration = counter(MetricCatalogue.tritonQueueDuration)
        computeInput = counter(MetricCatalogue.tritonComputeInput)
        computeInfer = counter(MetricCatalogue.tritonComputeInfer)
        computeOutput = counter(MetricCatalogue.tritonComputeOutput)
        pending = registry.gauge(
            MetricCatalogue.tritonPending, labels, tags: tags, lease: lease)
    }

    func counter(of outcome: RequestOutcome) -> Counter {
        failureByOutcome[outcome.rawValue] ?? success
    }

    func duration(of stage: RequestStage) -> Counter? {
        switch stage {
        case .receive, .parse, .send: nil
        case .queue: queueDuration
        case .gather: computeInput
        case .compute: computeInfer
        case .scatter: computeOutput
        }
    }
}
