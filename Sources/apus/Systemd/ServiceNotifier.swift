import ApusCore

/// Tells the service manager how the daemon is: `READY=1`, `STATUS=…`, `WATCHDOG=1`. Does nothing
/// when nobody asked (no `NOTIFY_SOCKET`).
///
/// - Source: systemd `sd_notify(3)`.
struct ServiceNotifier: Sendable {
    private let address: UnixDatagramAddress?

    init(environment: [String: String]) {
        address = environment["NOTIFY_SOCKET"].flatMap { UnixDatagramAddress(path: $0) }
    }

    /// Whether a service manager listens.
    var isActive: Bool { address != nil }

    func ready(status: String) { send("READY=1\nSTATUS=\(status)") }
    func status(_ text: String) { send("STATUS=\(text)") }
    func stopping(status: String) { send("STOPPING=1\nSTATUS=\(status)") }
    func watchdog() { send("WATCHDOG=1") }

    /// A reload begins; `ready` ends it.
    func reloading() {
        send("RELOADING=1\nMONOTONIC_USEC=\(MonotonicClock.nowNanoseconds() / 1_000)")
    }

    /// Asks for more time to start, stop or reload.
    func extendTimeout(_ duration: Duration) {
        send("EXTEND_TIMEOUT_USEC=\(duration.components.seconds * 1_000_000)")
    }

    private func send(_ state: String) { _ = address?.send(Array(state.utf8)) }
}
