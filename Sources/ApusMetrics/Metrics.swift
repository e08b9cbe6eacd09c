/// All metrics of one process: made once, handed to the server, the repository and each model.
public final class Metrics: Sendable {
    public let registry: MetricRegistry
    public let server: ServerMetrics
    public let grpc: GRPCMetrics
    public let turns: TurnMetrics
    public let repository: RepositoryMetrics
    private let lease: SeriesLease
    private let coreBudget: Gauge
    private let torchServeHost: String?

    /// The `Content-Type` of `exposition()`.
    public static let contentType = TextPrinter.contentType

    /// - Parameters:
    ///   - version: of this Apus, for the build info.
    ///   - collectsProcess: whether CPU, memory and descriptors are read from /proc at each scrape.
    ///   - torchServeHost: the name of this machine, if TorchServe's metrics are printed too.
    public init(version: String, collectsProcess: Bool = true, torchServeHost: String? = nil) {
        self.torchServeHost = torchServeHost
        registry = MetricRegistry()
        lease = registry.makeLease()
        server = ServerMetrics(registry: registry)
        grpc = GRPCMetrics(registry: registry)
        turns = TurnMetrics(registry: registry)
        repository = RepositoryMetrics(registry: registry)
        coreBudget = registry.gauge(MetricCatalogue.coreBudget, lease: lease)
        registry.gauge(MetricCatalogue.buildInfo, [version], lease: lease).set(1)
        if collectsProcess {
            let collector = ProcessCollector()
            registry.addCollector { collector.samples() }
        }
    }

    /// - Parameter isReady: asked at each scrape whether the server is ready.
    public func setReadiness(_ isReady: @escaping @Sendable () -> Bool) {
        registry.addCollector { [CollectedSample(MetricCatalogue.ready, isReady() ? 1 : 0)] }
    }

    /// The cores this process may use.
    public func setCoreBudget(_ coreCount: Int) { coreBudget.set(Int64(coreCount)) }

    /// The memory this process may use, if its control group sets a limit.
    public func setMemoryLimit(byteCount: UInt64?) {
        guard let byteCount else { return }
        registry.gauge(MetricCatalogue.memoryLimit, lease: lease).set(Int64(clamping: byteCount))
    }

    /// The memory that tensors, weights and plans may take together.
    ///
    /// - Parameter held: asked at each scrape what they take.
    public func setMemoryBudget(byteCount: Int, held: @escaping @Sendable () -> Int) {
        registry.gauge(MetricCatalogue.memoryBudget, lease: lease).set(Int64(byteCount))
        registry.addCollector { [CollectedSample(MetricCatalogue.memoryHeld, Double(held()))] }
    }

    /// The handles of a model version; its series exist while the result (or another for the same
    /// names) is held.
    ///
    /// - Parameter tags: `metric_tags` of the configuration: extra labels on the `nv_` names.
    public func model(name: String, version: String, tags: [String: String] = [:]) -> ModelMetrics {
        ModelMetrics(
            registry: registry, name: name, version: version, tags: tags,
            torchServeHost: torchServeHost)
    }

    /// The text that Prometheus scrapes, sorted by name and labels.
    ///
    /// - Parameters:
    ///   - dialects: `[.apus]` leaves out other servers' names, of which `promtool check metrics` does
    ///     not approve.
    ///   - names: of the metrics wanted; empty = all.
    public func exposition(
        dialects: Set<MetricDeclaration.Dialect> = Set(MetricDeclaration.Dialect.allCases),
        names: Set<String> = []
    ) -> [UInt8] {
        registry.exposition(dialects: dialects, names: names)
    }
}
