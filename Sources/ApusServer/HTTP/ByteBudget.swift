import Synchronization

/// How much memory something may take together, over all threads.
final class ByteBudget: Sendable {
    private let byteCountMax: Int
    private let taken = Atomic<Int>(0)

    init(byteCountMax: Int) { self.byteCountMax = byteCountMax }

    /// - Returns: false, with nothing taken, if that would be too much.
    func take(_ byteCount: Int) -> Bool {
        let (_, after) = taken.wrappingAdd(byteCount, ordering: .relaxed)
        if after <= byteCountMax { return true }
        taken.wrappingSubtract(byteCount, ordering: .relaxed)
        return false
    }

    func giveBack(_ byteCount: Int) { taken.wrappingSubtract(byteCount, ordering: .relaxed) }

    /// Bytes taken now.
    var current: Int { taken.load(ordering: .relaxed) }
}
