/// When the stages of one traced request came to their ends, filled in by the scheduler. Requests
/// that are not traced have none.
public final class StageTimes: Sendable {
    /// Nanoseconds of `MonotonicClock`; 0 where a stage was not reached.
    public struct Values: Sendable, Hashable {
        public var queueStart: UInt64 = 0
        public var computeStart: UInt64 = 0
        public var computeInputEnd: UInt64 = 0
        public var computeOutputStart: UInt64 = 0
        public var computeEnd: UInt64 = 0

        public init() {}
    }

    private let state = Guarded(Values())

    public init() {}

    public var values: Values { state.withLock { $0 } }

    public func set(_ values: Values) { state.withLock { $0 = values } }
}
