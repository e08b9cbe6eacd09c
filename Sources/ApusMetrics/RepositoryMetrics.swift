import Dispatch

/// What a version is in. Several may hold at once: one that serves may have files that failed since,
/// and a reload leaves a former generation to be unloaded.
public enum ModelState: String, Sendable, Hashable, CaseIterable {
    case loading
    /// It serves.
    case ready
    /// What is on disk cannot be served, and no newer version has taken its place.
    case failed
    /// Requests that it still answers are its last.
    case unloading
}

/// What the repository records: loads, failures, and how each version stands.
///
/// `@unchecked Sendable` because `loaded` and `states` are touched only on `queue`.
public final class RepositoryMetrics: @unchecked Sendable {
    private let registry: MetricRegistry
    /// For the series that stay until the process ends: one per model that was ever loaded.
    private let lease: SeriesLease
    private let queue = DispatchQueue(label: "apus.metrics.repository")
    private var loaded: [[String]: (lease: SeriesLease, readMemory: @Sendable () -> Void)] = [:]
    /// By model and version.
    private var states: [String: [String: StateSeries]] = [:]

    /// The series of a version, one per state.
    private struct StateSeries {
        let lease: SeriesLease
        let gauges: [(state: ModelState, gauge: Gauge)]

        init(_ registry: MetricRegistry, model: String, version: String) {
            let lease = registry.makeLease()
            self.lease = lease
            gauges = ModelState.allCases.map { state in
                let labels = [model, version, state.rawValue]
                return (state, registry.gauge(MetricCatalogue.modelState, labels, lease: lease))
            }
        }

        func set(_ current: Set<ModelState>) {
            for (state, gauge) in gauges { gauge.set(current.contains(state) ? 1 : 0) }
        }
    }

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

    /// How the versions of a model stand from now on. The series of what is not named go.
    ///
    /// - Parameter versions: by their text; "" for a model that has failed without any.
    public func recordStates(model: String, _ versions: [String: Set<ModelState>]) {
        queue.sync {
            // So that the first failure can be seen as a change.
            if states[model] == nil, !versions.isEmpty {
                _ = registry.counter(MetricCatalogue.modelLoadFailures, [model], lease: lease)
            }
            var series = states[model, default: [:]].filter { versions[$0.key] != nil }
            for (version, current) in versions {
                let own =
                    series[version] ?? StateSeries(registry, model: model, version: version)
                own.set(current)
                series[version] = own
            }
            states[model] = series.isEmpty ? nil : series
        }
    }

    /// A load failed. Only for models that exist in the repository: names that clients make up must
    /// not become labels.
    public func recordFailure(model: String) {
        registry.counter(MetricCatalogue.modelLoadFailures, [model], lease: lease).add()
    }
}
