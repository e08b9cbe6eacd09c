import ApusCore

/// Addresses whose connections were ended because they kept the server busy for nothing: their next
/// ones may do less of it.
final class Suspects: Sendable {
    private struct Entry {
        var count = 0
        var nanoseconds: UInt64 = 0
    }

    private static let countMax = 3
    private static let memoryNanoseconds: UInt64 = 60_000_000_000
    private static let addressCountMax = 4096

    private let entries = Guarded([String: Entry]())

    func note(_ address: String, nowNanoseconds: UInt64) {
        entries.withLock { entries in
            if entries.count >= Self.addressCountMax { entries.removeAll() }
            var entry = entries[address] ?? Entry()
            if nowNanoseconds &- entry.nanoseconds > Self.memoryNanoseconds { entry.count = 0 }
            entry.count += 1
            entry.nanoseconds = nowNanoseconds
            entries[address] = entry
        }
    }

    func contains(_ address: String, nowNanoseconds: UInt64) -> Bool {
        entries.withLock { entries in
            guard let entry = entries[address] else { return false }
            return entry.count >= Self.countMax
                && nowNanoseconds &- entry.nanoseconds <= Self.memoryNanoseconds
        }
    }
}
