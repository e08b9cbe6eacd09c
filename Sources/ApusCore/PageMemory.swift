import Glibc

/// Memory in whole pages straight from the system, counted: large pages where it is large enough for
/// them. What the heap frees it may keep; this goes back at once.
///
/// `@unchecked Sendable` because it only owns the memory; who writes it is decided by its holder.
final class PageMemory: @unchecked Sendable {
    /// Aligned to a page, and to a large page from `hugeByteCountMin` on.
    let pointer: UnsafeMutableRawPointer
    private let mapping: UnsafeMutableRawPointer
    private let mappingByteCount: Int
    private let byteCount: Int
    private let account: MemoryAccount

    /// Below it the heap wastes less.
    private static let byteCountMin = 64 << 10
    /// Below it large pages save nothing.
    private static let hugeByteCountMin = 4 << 20
    private static let hugePageByteCount = 2 << 20

    /// - Returns: nil for less than `byteCountMin` bytes, over a limit of the configuration, and if the
    ///   system gives none.
    init?(byteCount: Int, account: MemoryAccount = .current) {
        guard byteCount >= Self.byteCountMin, byteCount <= Int.max / 2,
            (try? account.reserve(byteCount)) != nil
        else { return nil }
        self.byteCount = byteCount
        self.account = account
        let isHuge = byteCount >= Self.hugeByteCountMin
        let wanted = byteCount + (isHuge ? Self.hugePageByteCount : 0)
        guard
            let memory = mmap(
                nil, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            memory != MAP_FAILED
        else {
            account.release(byteCount)
            return nil
        }
        (mapping, mappingByteCount) = (memory, wanted)
        guard isHuge else {
            pointer = memory
            return
        }
        // What lies before the first large page and after the last is never touched, so it takes no
        // memory; a large page at the end would take more than is asked for.
        let misplaced = Int(bitPattern: memory) & (Self.hugePageByteCount - 1)
        pointer = memory + (Self.hugePageByteCount - misplaced)
        _ = madvise(pointer, byteCount & ~(Self.hugePageByteCount - 1), MADV_HUGEPAGE)
    }

    deinit {
        munmap(mapping, mappingByteCount)
        account.release(byteCount)
    }
}
