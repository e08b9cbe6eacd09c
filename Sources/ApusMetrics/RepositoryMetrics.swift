import Dispatch

/// What the repository records: loads, failures and the versions that serve.
///
/// `@unchecked Sendable` because `loaded` is touched only on `queue`.
public final class RepositoryMetrics: @unchecked Sendable {
    private let registry: MetricRegistry
    /// For the series that stay until the process ends: one per model that was ever loaded.
    private let lease: SeriesLease
    private let queue = DispatchQueue(label: "apus.metrics.repository")
    private var loaded: [[String]: (lease: SeriesLease, readMemory: @Sendable () -> Void)] = [:]

    init(registry: MetricRegistry) {
        self.registry = registry
        lease = registry.makeLease()
        registry.addCollector { [weak self] in
            self?.readMemory()
            return []
        }
    }

    /// Sets the gauges of what versions hold, before they are printed.
    private func readMemory() {
        for entry in queue.sync(execute: { Array(loaded.values) }) { entry.readMemory() }
    }

    /// A version serves from now on; again after a reload.
    ///
    /// - Parameters:
    ///   - memoryByteCount: asked at each scrape what the version holds; nil once it is gone.
    ///   - tags: `metric_tags` of the configuration: extra labels on the `nv_` names.
    public func recordReady(
        model: String, version: String, loadNanoseconds: UInt64,
        memoryByteCount: @escaping @Sendable () -> Int?, tags: [String: String] = [:]
    ) {
        registry.histogram(MetricCatalogue.modelLoadDuration, [model], lease: lease)
            .observe(loadNanoseconds)
        _ = registry.counter(MetricCatalogue.modelLoadFailures, [model], lease: lease)
        let labels = [model, version]
        let versionLease = registry.makeLease()
        registry.gauge(MetricCatalogue.modelLoaded, labels, lease: versionLease).set(1)
        let memory = registry.gauge(MetricCatalogue.modelMemory, labels, lease: versionLease)
        registry.gauge(MetricCatalogue.tritonLoadDuration, labels, tags: tags, lease: versionLease)
            .set(Int64(clamping: loadNanoseconds))
        let readMemory = { @Sendable in
            if let byteCount = memoryByteCount() { memory.set(Int64(byteCount)) }
        }
        let former = queue.sync { loaded.updateValue((versionLease, readMemory), forKey: labels) }
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
