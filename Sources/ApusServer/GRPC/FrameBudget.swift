/// How many frames of the cheap kinds a client may send: some at once, some each second, and some for
/// each that asks for something.
struct FrameBudget {
    enum Excess: String, Sendable {
        case resets
        case control
        /// Data of calls that take no more messages.
        case unreadData = "unread_data"
    }

    /// About microseconds of one turn that the frames of one connection may take.
    static let turnWeight = 1024

    private static let resetMax = 2000.0
    private static let resetsPerSecond = 500.0
    private static let controlMax = 10_000.0
    private static let controlsPerSecond = 1000.0
    /// Control frames that a client may send for each frame that asks for something, and for so many
    /// bytes of answers.
    private static let controlsPerUse = 4.0
    private static let creditedByteCount = 1024.0

    private var resets: Double
    private var controls: Double
    private var nanoseconds: UInt64

    init(isSuspect: Bool, nowNanoseconds: UInt64) {
        resets = isSuspect ? Self.resetMax / 20 : Self.resetMax
        controls = isSuspect ? Self.controlMax / 20 : Self.controlMax
        nanoseconds = nowNanoseconds
    }

    /// - Returns: what there is too much of, if there is.
    mutating func take(_ frame: FrameScanner.Frame, nowNanoseconds: UInt64) -> Excess? {
        if frame.isHeaders || frame.isData {
            controls = min(controls + Self.controlsPerUse, Self.controlMax)
            return nil
        }
        refill(nowNanoseconds)
        if frame.isReset {
            resets -= 1
            return resets < 0 ? .resets : nil
        }
        controls -= 1
        return controls < 0 ? .control : nil
    }

    mutating func credit(sentByteCount: Int) {
        controls = min(
            controls + Double(sentByteCount) / Self.creditedByteCount, Self.controlMax)
    }

    private mutating func refill(_ now: UInt64) {
        guard now > nanoseconds else { return }
        let seconds = Double(now - nanoseconds) / 1e9
        nanoseconds = now
        resets = min(resets + seconds * Self.resetsPerSecond, Self.resetMax)
        controls = min(controls + seconds * Self.controlsPerSecond, Self.controlMax)
    }
}
