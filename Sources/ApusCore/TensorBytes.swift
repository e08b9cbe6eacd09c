import Glibc

/// A run of bytes that is kept alive by an owner: memory of our own, a slice of a request body, or
/// a part of a mapped file.
///
/// `@unchecked Sendable` because the bytes are never written after the value was made (see
/// `init(byteCount:initializingWith:)`) and `owner` is only retained and released.
public struct TensorBytes: @unchecked Sendable {
    /// First byte. Memory of our own is aligned to 64 bytes; foreign memory need not be aligned.
    public let pointer: UnsafeRawPointer
    /// Length in bytes.
    public let count: Int
    private let owner: AnyObject?

    /// A view of memory that `owner` keeps alive and unchanged.
    public init(pointer: UnsafeRawPointer, count: Int, owner: AnyObject?) {
        self.pointer = pointer
        self.count = count
        self.owner = owner
    }

    /// New memory of `byteCount` bytes, aligned to 64 bytes, filled by `initialize`.
    ///
    /// - Throws: what `initialize` throws; `CoreError.outOfMemory` if the system has none left.
    public init(
        byteCount: Int, initializingWith initialize: (UnsafeMutableRawBufferPointer) throws -> Void
    ) throws {
        let memory = try AlignedMemory(byteCount: byteCount)
        try initialize(UnsafeMutableRawBufferPointer(start: memory.pointer, count: byteCount))
        self.init(pointer: UnsafeRawPointer(memory.pointer), count: byteCount, owner: memory)
    }

    /// A copy of `bytes`.
    public init(copying bytes: UnsafeRawBufferPointer) throws {
        try self.init(byteCount: bytes.count) { $0.copyMemory(from: bytes) }
    }

    /// The bytes `range` of this run, sharing its memory.
    public func slice(_ range: Range<Int>) -> TensorBytes {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= count, "slice outside the tensor's bytes")
        return TensorBytes(pointer: pointer + range.lowerBound, count: range.count, owner: owner)
    }

    /// Calls `body` with the bytes; they are valid only during the call.
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let result = try body(UnsafeRawBufferPointer(start: pointer, count: count))
        withExtendedLifetime(owner) {}
        return result
    }

    /// Gives the memory of the whole pages in these bytes back, if the system can bring them again: if
    /// they are part of a mapped file. Reading them later works, but starts at the page cache.
    public func releasePages() {
        guard owner is any RestorableMemory else { return }
        let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
        let start = (UInt(bitPattern: pointer) + page - 1) / page * page
        let end = (UInt(bitPattern: pointer) + UInt(count)) / page * page
        guard end > start, let first = UnsafeMutableRawPointer(bitPattern: start) else { return }
        _ = madvise(first, Int(end - start), MADV_DONTNEED)
    }

    /// Whether the first byte can be read as an aligned value of any element type.
    public var isAligned: Bool { UInt(bitPattern: pointer) % 16 == 0 }
}

/// Owns memory that is a view of a file, and never written.
public protocol RestorableMemory: AnyObject {}

/// Memory from the heap, aligned to 64 bytes, freed with its last reference.
///
/// `@unchecked Sendable` because it only owns the memory; who writes it is decided by its holder.
public final class AlignedMemory: @unchecked Sendable {
    public let pointer: UnsafeMutableRawPointer
    public let byteCount: Int

    /// - Throws: `CoreError.outOfMemory`.
    public init(byteCount: Int) throws(CoreError) {
        var memory: UnsafeMutableRawPointer?
        guard byteCount >= 0, byteCount <= Int.max - 128,
            posix_memalign(&memory, 64, Swift.max(byteCount, 64)) == 0, let memory
        else { throw CoreError.outOfMemory(byteCount: byteCount) }
        self.pointer = memory
        self.byteCount = byteCount
    }

    deinit { free(pointer) }
}
