import ApusCore
import Synchronization

/// What one model holds: an account for all of it, and the memory of runs that are over, kept for the
/// next ones. Shared by the model's instances, so that there is as much as runs at the same time, not
/// as much as there are instances.
final class ModelMemory: Sendable {
    let account: MemoryAccount
    private let idle = Guarded<[AlignedMemory]>([])
    private let lastUsedNanoseconds = Atomic<UInt64>(MonotonicClock.nowNanoseconds())

    /// Blocks below this come from `malloc`, larger ones from the system, and return to it at once.
    private static let pagesByteCountMin = 256 << 10

    init(account: MemoryAccount) { self.account = account }

    /// Memory of at least `byteCount` bytes: an idle block, or a new one.
    ///
    /// - Throws: `CoreError.memoryExhausted`, `.outOfMemory`.
    func take(byteCount: Int) throws(CoreError) -> AlignedMemory {
        let kept = idle.withLock { idle -> AlignedMemory? in
            var best: Int?
            var largest: Int?
            for (index, block) in idle.enumerated() {
                if block.byteCount >= byteCount, best.map({ block < idle[$0] }) ?? true {
                    best = index
                }
                if largest.map({ idle[$0] < block }) ?? true { largest = index }
            }
            // A new block takes the place of one that is too small, which is freed behind the lock.
            return (best ?? largest).map { idle.remove(at: $0) }
        }
        if let kept, kept.byteCount >= byteCount { return kept }
        return try AlignedMemory(
            byteCount: byteCount,
            from: byteCount < Self.pagesByteCountMin ? .heap : .pages, account: account)
    }

    /// Keeps memory for the next runs.
    func give(_ block: AlignedMemory) { idle.withLock { $0.append(block) } }

    /// Says that a run has ended.
    func noteUse() {
        lastUsedNanoseconds.store(MonotonicClock.nowNanoseconds(), ordering: .relaxed)
    }

    /// Whether no run has ended since.
    func isUnused(since nanoseconds: UInt64) -> Bool {
        lastUsedNanoseconds.load(ordering: .relaxed) < nanoseconds
    }

    /// Frees what is kept.
    func dropIdle() {
        let dropped = idle.withLock { idle in
            let all = idle
            idle = []
            return all
        }
        withExtendedLifetime(dropped) {}
    }
}

extension AlignedMemory {
    fileprivate static func < (left: AlignedMemory, right: AlignedMemory) -> Bool {
        left.byteCount < right.byteCount
    }
}

/// The memory of all models of the process.
public enum EngineMemory {
    private struct Entry {
        weak var model: EngineModel?
    }
    private static let models = Guarded<[ObjectIdentifier: Entry]>([:])
    /// Before a model is refused memory, all give back what they only keep.
    private static let reclaim: Void = MemoryReclaim.add { release(unusedSince: .max) }

    /// Frees what models keep for their next run, if none of theirs has ended since a time on the
    /// clock of `MonotonicClock`. Call it now and then, not on an event loop: it takes milliseconds.
    public static func release(unusedSince nanoseconds: UInt64) {
        let all = models.withLock { $0.values.compactMap(\.model) }
        for model in all where model.memory.isUnused(since: nanoseconds) { model.releaseIdle() }
    }

    static func add(_ model: EngineModel) {
        _ = reclaim
        models.withLock { $0[ObjectIdentifier(model)] = Entry(model: model) }
    }

    static func remove(_ model: EngineModel) {
        models.withLock { $0[ObjectIdentifier(model)] = nil }
    }
}
