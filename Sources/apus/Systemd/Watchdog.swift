import ApusCore
import Dispatch
import Glibc

/// Tells the service manager that the daemon serves, at half of the time it allows.
///
/// The message is sent by the data path itself: at each turn a probe visits every event loop and
/// comes back; when one of them is stuck, no message goes out and the service manager restarts the
/// daemon. A new probe starts only when the last one has come back.
final class Watchdog: Sendable {
    /// Visits everything that must be alive, then calls back.
    typealias Probe = @Sendable (_ done: @escaping @Sendable () -> Void) -> Void

    /// `nonisolated(unsafe)` because it is only kept, and cancelled with the last reference.
    private nonisolated(unsafe) let timer: any DispatchSourceTimer
    private let isProbing = Guarded(false)

    /// - Returns: nil if the service manager wants no watchdog from this process.
    static func interval(environment: [String: String]) -> Duration? {
        guard let text = environment["WATCHDOG_USEC"], let microseconds = Int64(text),
            microseconds > 0
        else { return nil }
        if let process = environment["WATCHDOG_PID"], Int32(process) != getpid() { return nil }
        return .microseconds(microseconds / 2)
    }

    init(interval: Duration, notifier: ServiceNotifier, probe: @escaping Probe) {
        let source = DispatchSource.makeTimerSource(queue: .global(qos: .userInitiated))
        timer = source
        let isProbing = isProbing
        let microseconds = interval / .microseconds(1)
        source.schedule(deadline: .now(), repeating: .microseconds(Int(microseconds)))
        source.setEventHandler { @Sendable in
            let isFree = isProbing.withLock { state in
                defer { state = true }
                return !state
            }
            guard isFree else { return }
            probe { @Sendable in
                isProbing.withLock { $0 = false }
                notifier.watchdog()
            }
        }
        source.resume()
    }

    deinit { timer.cancel() }
}
