import Synchronization

/// Where a handle's series stands in the registry.
struct SeriesKey: Sendable, Hashable {
    let metricName: String
    /// The labels as they are printed between the braces.
    let labels: String
}

/// A kept reference to one series: recording takes no lock and no lookup.
public protocol MetricHandle: AnyObject, Sendable {}

/// A series that only goes up.
public final class Counter: MetricHandle {
    private let value = Atomic<UInt64>(0)

    init() {}

    /// Adds `amount`, in the recorded unit of the metric (nanoseconds for times).
    public func add(_ amount: UInt64 = 1) { value.wrappingAdd(amount, ordering: .relaxed) }

    /// The sum so far, in the recorded unit.
    public var current: UInt64 { value.load(ordering: .relaxed) }
}

/// A series that goes up and down.
public final class Gauge: MetricHandle {
    private let value = Atomic<Int64>(0)

    init() {}

    public func set(_ newValue: Int64) { value.store(newValue, ordering: .relaxed) }
    public func add(_ amount: Int64) { value.wrappingAdd(amount, ordering: .relaxed) }
    public func subtract(_ amount: Int64) { value.wrappingSubtract(amount, ordering: .relaxed) }

    public var current: Int64 { value.load(ordering: .relaxed) }
}

/// A distribution over fixed buckets.
///
/// `@unchecked Sendable` because `buckets` is a fixed run of atomics that only `deinit` frees.
public final class Histogram: MetricHandle, @unchecked Sendable {
    /// Inclusive upper bounds in the recorded unit; the bucket after the last takes the rest.
    private let bounds: [UInt64]
    /// Observations per bucket, not cumulated.
    private let buckets: UnsafeMutableBufferPointer<Atomic<UInt64>>
    private let sum = Atomic<UInt64>(0)

    init(bounds: [UInt64]) {
        self.bounds = bounds
        buckets = .allocate(capacity: bounds.count + 1)
        for index in buckets.indices { buckets.initializeElement(at: index, to: Atomic(0)) }
    }

    deinit {
        buckets.deinitialize()
        buckets.deallocate()
    }

    /// Counts `count` observations of `value`, in the recorded unit (nanoseconds for times).
    public func observe(_ value: UInt64, count: UInt64 = 1) {
        var index = 0
        while index < bounds.count, value > bounds[index] { index += 1 }
        buckets[index].wrappingAdd(count, ordering: .relaxed)
        sum.wrappingAdd(value &* count, ordering: .relaxed)
    }

    /// Observations per bucket, not cumulated, the one above all bounds last.
    public var bucketCounts: [UInt64] {
        buckets.indices.map { buckets[$0].load(ordering: .relaxed) }
    }

    /// Sum of all observations, in the recorded unit.
    public var currentSum: UInt64 { sum.load(ordering: .relaxed) }
}
