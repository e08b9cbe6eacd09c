import Synchronization

/// How much memory something may take together, over all threads; perhaps as a part of what others
/// take from as well.
final class ByteBudget: Sendable {
    private let byteCountMax: Int
    private let whole: ByteBudget?
    private let taken = Atomic<Int>(0)

    /// - Parameter whole: what is taken here is taken there, too.
    init(byteCountMax: Int, of whole: ByteBudget? = nil) {
        self.byteCountMax = byteCountMax
        self.whole = whole
    }

    /// - Returns: false, with nothing taken, if that would be too much.
    func take(_ byteCount: Int) -> Bool {
        let (_, after) = taken.wrappingAdd(byteCount, ordering: .relaxed)
        if after <= byteCountMax, whole?.take(byteCount) ?? true { return true }
        taken.wrappingSubtract(byteCount, ordering: .relaxed)
        return false
    }

    func giveBack(_ byteCount: Int) {
        guard byteCount > 0 else { return }
        taken.wrappingSubtract(byteCount, ordering: .relaxed)
        whole?.giveBack(byteCount)
    }

    /// Bytes taken now.
    var current: Int { taken.load(ordering: .relaxed) }
}
