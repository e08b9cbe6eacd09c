import Synchronization

/// A clock that stands still until a test turns it.
public final class ManualClock: Sendable {
    private let time: Atomic<UInt64>

    public init(nanoseconds: UInt64 = 1_000_000_000) { time = Atomic(nanoseconds) }

    public var nowNanoseconds: UInt64 { time.load(ordering: .acquiring) }

    public func advance(nanoseconds: UInt64) {
        time.wrappingAdd(nanoseconds, ordering: .acquiringAndReleasing)
    }

    public func advance(microseconds: UInt64) { advance(nanoseconds: microseconds * 1000) }
}
