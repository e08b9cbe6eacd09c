import ApusCore
import Glibc
import NIOCore

/// The body of one request in memory of its own: each part that arrives is copied once, tensors
/// are views of it, and the last one that lets go frees it.
///
/// Memory is taken, and counted, when bytes arrive, whatever length a client declares. A body that does
/// not say its length grows; once it is large it gets address space for all that is allowed, of which
/// only the pages that are written cost memory, and is not moved again.
///
/// The memory is laid out so that the first binary tensor, which starts behind the JSON part, lies
/// at a multiple of 64 bytes.
///
/// `@unchecked Sendable` because only the connection's event loop writes it, before anybody else
/// sees it.
final class RequestBody: @unchecked Sendable {
    private static let alignment = 64
    /// The first step for bodies that do not say their length.
    private static let capacityMin = 4096
    /// From this length on a growing body stays where it is; and more is not set aside for a body of
    /// which little has arrived.
    private static let movedByteCountMax = 1 << 20
    /// The least that is counted of what is still to come.
    private static let countedStep = 64 << 10

    private let budget: ByteBudget
    private let byteCountMax: Int
    private let declaredByteCount: Int?
    /// Bytes left free at the start of the memory.
    private let padding: Int
    private var memory: UnsafeMutableRawPointer?
    /// Bytes that may be written.
    private var capacity = 0
    /// Bytes of them that are counted in the budget.
    private var countedByteCount = 0
    /// The length of the address space; 0 = the memory is from the heap.
    private var mappedByteCount = 0
    private(set) var count = 0

    /// - Parameters:
    ///   - declaredByteCount: of the whole body, checked against the limit; nil if it is unknown.
    ///   - headerByteCount: of the JSON part, if the client says it.
    init(
        declaredByteCount: Int?, headerByteCount: Int?, byteCountMax: Int, budget: ByteBudget
    ) {
        self.budget = budget
        self.byteCountMax = byteCountMax
        self.declaredByteCount = declaredByteCount
        let remainder = (headerByteCount ?? 0) % Self.alignment
        padding = remainder == 0 ? 0 : Self.alignment - remainder
    }

    deinit {
        release()
        giveBack(countedByteCount)
    }

    /// Counts bytes, among bodies and among all tensors.
    ///
    /// - Returns: false, with nothing taken, if that would be too much.
    private func take(_ byteCount: Int) -> Bool {
        guard budget.take(byteCount) else { return false }
        do { try MemoryAccount.process.reserve(byteCount) } catch {
            budget.giveBack(byteCount)
            return false
        }
        return true
    }

    private func giveBack(_ byteCount: Int) {
        budget.giveBack(byteCount)
        MemoryAccount.process.release(byteCount)
    }

    private func release() {
        if mappedByteCount > 0 {
            munmap(memory, mappedByteCount)
        } else {
            free(memory)
        }
    }

    func append(_ part: ByteBuffer) throws(HTTPProblem) {
        let result = part.withUnsafeReadableBytes { bytes in
            Result { () throws(HTTPProblem) in try append(bytes) }
        }
        try result.get()
    }

    func append(_ part: UnsafeRawBufferPointer) throws(HTTPProblem) {
        let partByteCount = part.count
        guard partByteCount <= byteCountMax - count else {
            throw .bodyTooLarge(byteCountMax: byteCountMax)
        }
        let needed = count + partByteCount
        if padding + needed > capacity { try reserve(needed) }
        try countTaken(padding + needed)
        guard let start = part.baseAddress, partByteCount > 0, let memory else { return }
        _ = memcpy(memory + padding + count, start, partByteCount)
        count = needed
    }

    /// Makes room and lets `write` fill some of it.
    ///
    /// - Parameter write: returns how many bytes it wrote, and whether nothing follows.
    /// - Returns: whether nothing follows.
    func appendInPlace(
        _ write: (UnsafeMutableRawBufferPointer) throws -> (byteCount: Int, isFinished: Bool)
    ) throws -> Bool {
        if padding + count >= capacity { try reserve(count + 1) }
        try countTaken(padding + count + 1)
        guard let memory else { return true }
        let free = UnsafeMutableRawBufferPointer(
            start: memory + padding + count, count: countedByteCount - padding - count)
        let written = try write(free)
        count += written.byteCount
        return written.isFinished
    }

    /// Makes room for `needed` bytes, and for some or all of what is still to come.
    private func reserve(_ needed: Int) throws(HTTPProblem) {
        let wanted: Int
        if let declaredByteCount, declaredByteCount >= needed {
            wanted =
                needed > Self.movedByteCountMax
                ? declaredByteCount : min(declaredByteCount, Self.movedByteCountMax)
        } else {
            wanted = min(max(needed, count * 2, Self.capacityMin), byteCountMax)
        }
        let isInPlace = mappedByteCount > 0
        guard isInPlace || move(to: padding + wanted) else { throw .bodyMemoryExhausted }
        capacity = padding + wanted
    }

    /// Counts the memory up to `end`; in steps that double, so that there are few of them.
    private func countTaken(_ end: Int) throws(HTTPProblem) {
        guard end > countedByteCount else { return }
        let target = min(max(end, countedByteCount * 2, Self.countedStep), capacity)
        guard take(target - countedByteCount) else { throw .bodyMemoryExhausted }
        countedByteCount = target
    }

    /// Moves what is there to larger memory.
    ///
    /// - Returns: false if the system has none.
    private func move(to newCapacity: Int) -> Bool {
        let isLarge =
            declaredByteCount == nil && memory != nil && newCapacity > Self.movedByteCountMax
        let space = isLarge ? padding + byteCountMax : 0
        let mapped =
            isLarge
            ? mmap(
                nil, space, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                0) : MAP_FAILED
        var newMemory = mapped == MAP_FAILED ? nil : mapped
        if newMemory == nil, posix_memalign(&newMemory, Self.alignment, newCapacity) != 0 {
            return false
        }
        guard let newMemory else { return false }
        if let memory { _ = memcpy(newMemory + padding, memory + padding, count) }
        release()
        memory = newMemory
        mappedByteCount = mapped == MAP_FAILED ? 0 : space
        return true
    }

    /// What has arrived; keeps the memory alive.
    var bytes: TensorBytes {
        guard let memory else { return Self.empty }
        return TensorBytes(pointer: UnsafeRawPointer(memory + padding), count: count, owner: self)
    }

    /// A body of no bytes.
    static let empty = TensorBytes(
        pointer: UnsafeRawPointer(emptyMemory), count: 0, owner: nil)

    /// `nonisolated(unsafe)` because nothing is ever read from or written to it.
    private nonisolated(unsafe) static let emptyMemory = UnsafeMutableRawPointer.allocate(
        byteCount: 1, alignment: 1)
}
