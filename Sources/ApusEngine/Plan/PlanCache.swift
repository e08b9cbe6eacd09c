import ApusCore

/// Plans of one program by the types and shapes of its inputs, the least recently used ones thrown
/// out when all together are too large.
final class PlanCache: Sendable {
    /// What is known for one signature.
    enum Entry: Sendable {
        case plan(Plan)
        /// Some node needs contents: run on values.
        case onValues

        var byteCount: Int {
            switch self {
            case .plan(let plan): plan.byteCount
            case .onValues: 256
            }
        }
    }

    private struct State {
        var entries: [[PlannedTensor]: (entry: Entry, lastUsed: UInt64)] = [:]
        var byteCount = 0
        var clock: UInt64 = 0

        /// Throws entries out until the rest is small enough; the last one used stays.
        mutating func shrink(toByteCount byteCountMax: Int, count countMax: Int) -> [Entry] {
            var dropped: [Entry] = []
            while byteCount > byteCountMax || entries.count > countMax, entries.count > 1,
                let oldest = entries.min(by: { $0.value.lastUsed < $1.value.lastUsed })?.key,
                let entry = entries.removeValue(forKey: oldest)?.entry
            {
                byteCount -= entry.byteCount
                dropped.append(entry)
            }
            return dropped
        }
    }
    private let state = Guarded(State())
    private let byteCountMax: Int
    private let countMax: Int

    /// - Parameter byteCountMax: of all plans but the last one used.
    init(byteCountMax: Int = 32 << 20, countMax: Int = 256) {
        self.byteCountMax = byteCountMax
        self.countMax = countMax
    }

    var count: Int { state.withLock { $0.entries.count } }
    var byteCount: Int { state.withLock { $0.byteCount } }

    subscript(signature: [PlannedTensor]) -> Entry? {
        state.withLock { state in
            state.clock += 1
            state.entries[signature]?.lastUsed = state.clock
            return state.entries[signature]?.entry
        }
    }

    /// The entry of a signature; a plan is made if there is none yet.
    func entry(
        for signature: [PlannedTensor], _ plan: () throws(PlanningFailure) -> Plan
    ) throws(EngineError) -> Entry {
        if let found = self[signature] { return found }
        let made: Entry
        do {
            made = .plan(try plan())
        } catch {
            switch error {
            case .needsValues: made = .onValues
            case .error(let error): throw error
            }
        }
        insert(made, for: signature)
        return made
    }

    private func insert(_ entry: Entry, for signature: [PlannedTensor]) {
        let dropped = state.withLock { state in
            state.clock += 1
            if let former = state.entries.updateValue((entry, state.clock), forKey: signature) {
                state.byteCount -= former.entry.byteCount
            }
            state.byteCount += entry.byteCount
            return state.shrink(toByteCount: byteCountMax, count: countMax)
        }
        // Plans are freed behind the lock.
        withExtendedLifetime(dropped) {}
    }

    /// Throws plans out until the rest takes at most this many bytes.
    func shrink(toByteCount byteCount: Int) {
        let dropped = state.withLock { $0.shrink(toByteCount: byteCount, count: .max) }
        withExtendedLifetime(dropped) {}
    }
}
