import Dispatch

/// A timer that fires once at the earliest time it was set to.
struct WakeTimer {
    private let source: any DispatchSourceTimer
    /// `.max` = not set.
    private var wakeNanoseconds = UInt64.max

    /// - Parameter handler: called on `queue`; must call `fired()`.
    init(queue: DispatchQueue, handler: @escaping @Sendable () -> Void) {
        source = DispatchSource.makeTimerSource(queue: queue)
        source.setEventHandler(handler: DispatchWorkItem(block: handler))
        source.activate()
    }

    /// Fires at `time`, unless it fires before that anyway.
    mutating func set(to time: UInt64, now: UInt64) {
        guard time < wakeNanoseconds else { return }
        wakeNanoseconds = time
        let delay = Int(min(time - min(now, time), 1 << 60))
        source.schedule(deadline: .now() + .nanoseconds(delay), leeway: .nanoseconds(0))
    }

    /// The timer fired and is not set any more.
    mutating func fired() { wakeNanoseconds = .max }

    func cancel() { source.cancel() }
}
