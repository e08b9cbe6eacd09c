import Dispatch

/// Holds the series of all metrics, and prints them.
///
/// A series exists while somebody holds a lease on it, so two generations of one model version
/// (during a reload) share their series, and it goes with the last of them.
///
/// `@unchecked Sendable` because `families` and `collectors` are touched only on `queue`.
public final class MetricRegistry: @unchecked Sendable {
    /// What is computed when somebody scrapes, instead of being recorded.
    public typealias Collector = @Sendable () -> [CollectedSample]

    private let queue = DispatchQueue(label: "apus.metrics")
    private var families: [String: Family] = [:]
    private var collectors: [Collector] = []

    public init() {}

    /// The counter with these label values, which stays until the lease is gone.
    public func counter(
        _ declaration: MetricDeclaration, _ labelValues: [String] = [],
        tags: [String: String] = [:], lease: SeriesLease
    ) -> Counter {
        let handle = series(declaration, labelValues, tags: tags, lease: lease)
        guard case .counter(let counter) = handle else { wrongKind(declaration, "counter") }
        return counter
    }

    /// The gauge with these label values, which stays until the lease is gone.
    public func gauge(
        _ declaration: MetricDeclaration, _ labelValues: [String] = [],
        tags: [String: String] = [:], lease: SeriesLease
    ) -> Gauge {
        let handle = series(declaration, labelValues, tags: tags, lease: lease)
        guard case .gauge(let gauge) = handle else { wrongKind(declaration, "gauge") }
        return gauge
    }

    /// The histogram with these label values, which stays until the lease is gone.
    public func histogram(
        _ declaration: MetricDeclaration, _ labelValues: [String] = [],
        tags: [String: String] = [:], lease: SeriesLease
    ) -> Histogram {
        let handle = series(declaration, labelValues, tags: tags, lease: lease)
        guard case .histogram(let histogram) = handle else { wrongKind(declaration, "histogram") }
        return histogram
    }

    /// A fresh lease; its series are removed when it is freed, unless another lease has them too.
    public func makeLease() -> SeriesLease { SeriesLease(registry: self) }

    /// Adds samples that are computed at each scrape.
    public func addCollector(_ collector: @escaping Collector) {
        queue.sync { collectors.append(collector) }
    }

    /// All series of `dialects` in the text format 0.0.4, sorted by name and labels.
    ///
    /// - Parameter names: of the metrics wanted; empty = all.
    public func exposition(
        dialects: Set<MetricDeclaration.Dialect> = Set(MetricDeclaration.Dialect.allCases),
        names: Set<String> = []
    ) -> [UInt8] {
        let collected = queue.sync { collectors }.flatMap { $0() }
        // After the collectors, which may set gauges.
        var printed = queue.sync { families }.values.map { PrintedFamily($0) }
        printed += CollectedSample.families(of: collected)
        var printer = TextPrinter()
        for family in printed.sorted(by: { $0.declaration.name < $1.declaration.name })
        where dialects.contains(family.declaration.dialect)
            && (names.isEmpty || names.contains(family.declaration.name))
        {
            printer.write(family)
        }
        return printer.text
    }

    private func series(
        _ declaration: MetricDeclaration, _ labelValues: [String], tags: [String: String],
        lease: SeriesLease
    ) -> Series.Storage {
        let labels = LabelText.rendered(declaration, labelValues, tags: tags)
        let key = SeriesKey(metricName: declaration.name, labels: labels)
        return queue.sync {
            if lease.insert(key) {
                families[key.metricName, default: Family(declaration: declaration)]
                    .series[labels, default: Series(declaration)].leaseCount += 1
            }
            guard let series = families[key.metricName]?.series[labels] else {
                preconditionFailure("series \(key) was inserted above")
            }
            return series.storage
        }
    }

    /// Gives up one lease on each of `keys`.
    fileprivate func release(_ keys: Set<SeriesKey>) {
        queue.sync {
            for key in keys {
                guard var family = families[key.metricName], var series = family.series[key.labels]
                else { continue }
                series.leaseCount -= 1
                family.series[key.labels] = series.leaseCount > 0 ? series : nil
                families[key.metricName] = family.series.isEmpty ? nil : family
            }
        }
    }

    private func wrongKind(_ declaration: MetricDeclaration, _ asked: String) -> Never {
        preconditionFailure("\(declaration.name) is declared as another kind than \(asked)")
    }
}

/// Keeps a set of series in the registry for as long as it lives.
///
/// `@unchecked Sendable` because `keys` is touched only on the registry's queue and in `deinit`.
public final class SeriesLease: @unchecked Sendable {
    private let registry: MetricRegistry
    private var keys: Set<SeriesKey> = []

    fileprivate init(registry: MetricRegistry) { self.registry = registry }

    deinit { registry.release(keys) }

    /// Whether this lease did not have the series yet. On the registry's queue.
    fileprivate func insert(_ key: SeriesKey) -> Bool { keys.insert(key).inserted }
}

/// The series of one metric, by their labels as printed.
struct Family {
    let declaration: MetricDeclaration
    var series: [String: Series] = [:]
}

/// One series and how many leases keep it.
struct Series {
    enum Storage {
        case counter(Counter)
        case gauge(Gauge)
        case histogram(Histogram)
    }

    let storage: Storage
    var leaseCount = 0

    init(_ declaration: MetricDeclaration) {
        switch declaration.kind {
        case .counter: storage = .counter(Counter())
        case .gauge: storage = .gauge(Gauge())
        case .histogram(let bounds):
            let divisor = declaration.unit.divisor
            storage = .histogram(
                Histogram(bounds: bounds.map { UInt64(($0 * divisor).rounded()) }))
        }
    }
}
