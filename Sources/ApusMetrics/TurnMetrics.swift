import CApusPlatform
import Synchronization

/// The kept handles of the event loops' turns.
public final class TurnMetrics: Sendable {
    /// No turn is to take more of its thread's time.
    private static let limitNanoseconds: UInt64 = 2_000_000

    private let lease: SeriesLease
    private let longTurns: Counter
    private let longest: Gauge
    private let longestNanoseconds = Atomic<UInt64>(0)

    init(registry: MetricRegistry) {
        let lease = registry.makeLease()
        self.lease = lease
        longTurns = registry.counter(MetricCatalogue.longTurns, lease: lease)
        longest = registry.gauge(MetricCatalogue.longestTurn, lease: lease)
    }

    /// Notes a turn of the calling thread's loop, which has just ended.
    public func record(wallNanoseconds: UInt64) {
        let used = apus_turn_cpu_nanoseconds(wallNanoseconds, Self.limitNanoseconds)
        guard used > Self.limitNanoseconds else { return }
        longTurns.add()
        let newest = longestNanoseconds.max(used, ordering: .relaxed).newValue
        longest.set(Int64(clamping: newest))
    }
}
