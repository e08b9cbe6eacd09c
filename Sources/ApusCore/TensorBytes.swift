import Glibc

/// A run of bytes that is kept alive by an owner: memory of our own, or a slice of a request body.
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

    /// The same for what a model keeps as long as it is loaded: large memory comes from the system
    /// in pages and goes back to it with the last reference.
    public init(
        lastingByteCount byteCount: Int,
        initializingWith initialize: (UnsafeMutableRawBufferPointer) throws -> Void
    ) throws {
        guard let pages = PageMemory(byteCount: byteCount) else {
            try self.init(byteCount: byteCount, initializingWith: initialize)
            return
        }
        try initialize(UnsafeMutableRawBufferPointer(start: pages.pointer, count: byteCount))
        self.init(pointer: UnsafeRawPointer(pages.pointer), count: byteCount, owner: pages)
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

    /// Whether the first byte can be read as an aligned value of any element type.
    public var isAligned: Bool { UInt(bitPattern: pointer) % 16 == 0 }
}

/// Memory of our own, aligned to 64 bytes, counted, and given back with its last reference.
///
/// `@unchecked Sendable` because it only owns the memory; who writes it is decided by its holder.
public final class AlignedMemory: @unchecked Sendable {
    /// Where memory comes from.
    public enum Source: Sendable {
        /// `malloc`, which keeps what is freed for the next one: for memory that comes and goes.
        case heap
        /// The system, zeroed, given back at once when it is freed: for large memory that is kept.
        case pages
    }

    public let pointer: UnsafeMutableRawPointer
    public let byteCount: Int
    private let source: Source
    private let account: MemoryAccount

    /// - Throws: `CoreError.memoryExhausted` over a limit of the configuration, `.outOfMemory` if the
    ///   system has none left.
    public init(
        byteCount: Int, from source: Source = .heap, account: MemoryAccount = .current
    ) throws(CoreError) {
        try account.reserve(byteCount)
        guard let memory = Self.allocate(Swift.max(byteCount, 64), source) else {
            account.release(byteCount)
            throw CoreError.outOfMemory(byteCount: byteCount)
        }
        self.pointer = memory
        self.byteCount = byteCount
        self.source = source
        self.account = account
    }

    private static func allocate(_ byteCount: Int, _ source: Source) -> UnsafeMutableRawPointer? {
        switch source {
        case .heap:
            var memory: UnsafeMutableRawPointer?
            return posix_memalign(&memory, 64, byteCount) == 0 ? memory : nil
        case .pages:
            let memory = mmap(
                nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            return memory == MAP_FAILED ? nil : memory
        }
    }

    deinit {
        switch source {
        case .heap: free(pointer)
        case .pages: munmap(pointer, Swift.max(byteCount, 64))
        }
        account.release(byteCount)
    }
}
