import Synchronization

/// Tells an execution whether to go on. The engine asks between the steps of a plan and between the
/// pieces of a long step, on any of its threads.
///
/// An execution stops when nobody waits for its result any more, when its own time is over, or when
/// it was told to end.
public final class RunControl: Sendable {
    /// Somebody who waits for the result of an execution.
    public struct Waiter: Sendable {
        private let cancellation: CancellationFlag
        /// On the control's clock; `.max` = none.
        fileprivate let deadlineNanoseconds: UInt64

        public init(_ cancellation: CancellationFlag, deadlineNanoseconds: UInt64? = nil) {
            self.cancellation = cancellation
            self.deadlineNanoseconds = deadlineNanoseconds ?? .max
        }

        fileprivate func isGone(now: UInt64) -> Bool {
            cancellation.isCancelled || now >= deadlineNanoseconds
        }
    }

    public enum StopReason: Sendable, Hashable {
        /// Every waiter was cancelled, or its deadline has passed.
        case abandoned
        /// The execution took longer than it may.
        case timeOver
        /// Whoever runs the execution has ended it.
        case ended
    }

    private let waiters: [Waiter]
    /// When the execution's own time is over, on `clock`; `.max` = never.
    private let endNanoseconds: UInt64
    private let end: CancellationFlag?
    private let clock: @Sendable () -> UInt64
    private let hasTimes: Bool
    /// Those before it have gone, and nobody comes back.
    private let firstPresent = Atomic<Int>(0)

    /// - Parameters:
    ///   - waiters: whom the result is for; if there are none, it is wanted until its time is over.
    ///   - endNanoseconds: when the execution's own time is over; nil = never.
    ///   - end: ends the execution, whoever waits.
    ///   - clock: nanoseconds; asked only if there is a deadline or an end.
    public init(
        waiters: [Waiter] = [], endNanoseconds: UInt64? = nil, end: CancellationFlag? = nil,
        clock: @escaping @Sendable () -> UInt64 = MonotonicClock.coarseNanoseconds
    ) {
        self.waiters = waiters
        self.endNanoseconds = endNanoseconds ?? .max
        self.end = end
        self.clock = clock
        hasTimes = endNanoseconds != nil || waiters.contains { $0.deadlineNanoseconds != .max }
    }

    /// Stops when the flag is set.
    public convenience init(_ cancellation: CancellationFlag) {
        self.init(waiters: [Waiter(cancellation)])
    }

    public var isStopped: Bool { stopReason != nil }

    /// Why the execution is to stop; nil while it is to go on. Once it is not nil, it stays so.
    public var stopReason: StopReason? {
        if end?.isCancelled == true { return .ended }
        let now = hasTimes ? clock() : 0
        if now >= endNanoseconds { return .timeOver }
        return isAbandoned(now: now) ? .abandoned : nil
    }

    private func isAbandoned(now: UInt64) -> Bool {
        guard !waiters.isEmpty else { return false }
        let known = firstPresent.load(ordering: .relaxed)
        var index = known
        while index < waiters.count, waiters[index].isGone(now: now) { index += 1 }
        // Threads may overwrite each other: they only look at some again.
        if index != known { firstPresent.store(index, ordering: .relaxed) }
        return index == waiters.count
    }
}
