import Dispatch

/// What the repository records: loads, failures and the versions that serve.
///
/// `@unchecked Sendable` because `loaded` is touched only on `queue`.
public final class RepositoryMetrics: @unchecked Sendable {
    private let registry: MetricRegistry
    /// For the series that stay until the process ends: one per model that was ever loaded.
    private let lease: SeriesLease
    private let queue = DispatchQueue(label: "apus.metrics.repository")
    private var loaded: [[String]: SeriesLease] = [:]

    init(registry: MetricRegistry) {
        self.registry = registry
        lease = registry.makeLease()
    }

    /// A version serves from now on; again after a reload.
    ///
    /// - Parameter tags: `metric_tags` of the configuration: extra labels on the `nv_` names.
    public func recordReady(
        model: String, version: String, loadNanoseconds: UInt64, memoryByteCount: Int,
        tags: [String: String] = [:]
    ) {
        registry.histogram(MetricCatalogue.modelLoadDuration, [model], lease: lease)
            .observe(loadNanoseconds)
        _ = registry.counter(MetricCatalogue.modelLoadFailures, [model], lease: lease)
        let labels = [model, version]
        let versionLease = registry.makeLease()
        registry.gauge(MetricCatalogue.modelLoaded, labels, lease: versionLease).set(1)
        registry.gauge(MetricCatalogue.modelMemory, labels, lease: versionLease)
            .set(Int64(memoryByteCount))
        registry.gauge(MetricCatalogue.tritonLoadDuration, labels, tags: tags, lease: versionLease)
            .set(Int64(clamping: loadNanoseconds))
        let former = queue.sync { loaded.updateValue(versionLease, forKey: labels) }
        withExtendedLifetime(former) {}
    }

    /// A version does not serve any more; its series go.
    public func recordRemoved(model: String, version: String) {
        let former = queue.sync { loaded.removeValue(forKey: [model, version]) }
        withExtendedLifetime(former) {}
    }

    /// A load failed. Only for models that exist in the repository: names that clients make up must
    /// not become labels.
    public func recordFailure(model: String) {
        registry.counter(MetricCatalogue.modelLoadFailures, [model], lease: lease).add()
    }
}
