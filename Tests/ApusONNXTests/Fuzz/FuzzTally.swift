/// What became of mutated models.
struct FuzzTally: CustomStringConvertible {
    enum Stage: Int, CaseIterable {
        /// Nothing went well.
        case tried
        case read
        case loaded
        case planned
        case run
    }

    /// How many got so far, or further.
    private var counts = [Int](repeating: 0, count: Stage.allCases.count)
    private(set) var refusedCount = 0
    private(set) var timedOutCount = 0
    private var slowest: (nanoseconds: UInt64, index: Int) = (0, 0)

    subscript(stage: Stage) -> Int { counts[stage.rawValue] }

    mutating func note(_ stage: Stage) { counts[stage.rawValue] += 1 }
    mutating func noteRefused() { refusedCount += 1 }
    mutating func noteTimedOut() { timedOutCount += 1 }

    /// - Parameter nanoseconds: of the processor's time.
    mutating func note(_ nanoseconds: UInt64, index: Int) {
        if nanoseconds > slowest.nanoseconds { slowest = (nanoseconds, index) }
    }

    var description: String {
        "\(self[.tried]) mutated models: \(self[.read]) read, \(self[.loaded]) loaded, "
            + "\(self[.planned]) planned, \(self[.run]) run twice, \(refusedCount) refused, "
            + "\(timedOutCount) timed out; the slowest took \(slowest.nanoseconds / 1_000_000) ms "
            + "(\(slowest.index))"
    }
}
