/// What signals that ask for the stop mean. A pure value: the time is an argument.
///
/// A terminal and a service manager often send one signal twice, or two of them together.
struct StopSignals {
    enum Meaning: Equatable {
        case stop
        /// The same signal again.
        case ignore
        /// Somebody does not want to wait for the stop.
        case endAtOnce
    }

    /// Signals within this time of the first are one.
    static let onePressNanoseconds: UInt64 = 1_000_000_000

    private var firstNanoseconds: UInt64?

    var isStopping: Bool { firstNanoseconds != nil }

    mutating func receive(now: UInt64) -> Meaning {
        guard let first = firstNanoseconds else {
            firstNanoseconds = now
            return .stop
        }
        return now &- first <= Self.onePressNanoseconds ? .ignore : .endAtOnce
    }
}
