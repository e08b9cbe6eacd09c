import Glibc
import Synchronization

/// Counts the bytes that a process, or one model of it, holds for tensors, activations, weights and
/// strings, and refuses more than its limit. What a model takes counts for the process, too.
///
/// A reservation comes before the allocation: whoever is refused has taken nothing, and answers one
/// request with an error instead of ending the process.
public final class MemoryAccount: Sendable {
    /// Everything that is counted in this process. Its limit is what the machine and the address
    /// space allow, until the configuration says otherwise.
    public static let process = MemoryAccount(
        name: "memory_budget", byteCountMax: MemoryLimits.budgetByteCount(), parent: nil)

    /// The setting that the limit comes from, for messages.
    public let name: String
    private let parent: MemoryAccount?
    private let taken = Atomic<Int>(0)
    private let limit: Atomic<Int>

    /// - Parameters:
    ///   - byteCountMax: bytes that this account may hold at once.
    ///   - parent: counts, and limits, the same bytes once more.
    public init(name: String, byteCountMax: Int, parent: MemoryAccount? = .process) {
        self.name = name
        self.parent = parent
        limit = Atomic(byteCountMax)
    }

    /// Bytes that are held.
    public var byteCount: Int { taken.load(ordering: .relaxed) }

    /// Bytes that may be held: the smaller one of this limit and the parents'.
    public var byteCountMax: Int {
        min(limit.load(ordering: .relaxed), parent?.byteCountMax ?? .max)
    }

    /// Changes the limit; what is held already stays.
    public func setByteCountMax(_ byteCount: Int) { limit.store(byteCount, ordering: .relaxed) }

    /// Takes bytes that `release` gives back.
    ///
    /// - Throws: `CoreError.memoryExhausted`.
    public func reserve(_ byteCount: Int) throws(CoreError) {
        guard byteCount >= 0, byteCount <= byteCountMax else {
            throw .memoryExhausted(
                account: name, wanted: byteCount, held: self.byteCount, limit: byteCountMax)
        }
        guard refusal(of: byteCount) != nil else { return }
        // What idle models keep for their next run goes first.
        MemoryReclaim.run()
        if let refusal = refusal(of: byteCount) { throw refusal }
    }

    /// Gives bytes back.
    public func release(_ byteCount: Int) {
        taken.subtract(byteCount, ordering: .relaxed)
        parent?.release(byteCount)
    }

    /// Takes the bytes here and in the parents, or nothing.
    private func refusal(of byteCount: Int) -> CoreError? {
        let limit = limit.load(ordering: .relaxed)
        let held = taken.add(byteCount, ordering: .relaxed).newValue
        guard held <= limit else {
            taken.subtract(byteCount, ordering: .relaxed)
            return .memoryExhausted(
                account: name, wanted: byteCount, held: held - byteCount, limit: limit)
        }
        if let refusal = parent?.refusal(of: byteCount) {
            taken.subtract(byteCount, ordering: .relaxed)
            return refusal
        }
        return nil
    }
}

extension MemoryAccount {
    /// The account of the model that runs, loads or plans on this thread; else the process'.
    public static var current: MemoryAccount {
        guard let found = pthread_getspecific(CurrentAccount.key) else { return .process }
        return Unmanaged<MemoryAccount>.fromOpaque(found).takeUnretainedValue()
    }

    /// Makes this account the current one of this thread while `body` runs.
    public func whileCurrent<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let former = pthread_getspecific(CurrentAccount.key)
        pthread_setspecific(CurrentAccount.key, Unmanaged.passUnretained(self).toOpaque())
        defer { pthread_setspecific(CurrentAccount.key, former) }
        defer { extendLifetime(self) }
        return try body()
    }
}

private enum CurrentAccount {
    static let key: pthread_key_t = {
        var key = pthread_key_t()
        precondition(pthread_key_create(&key, nil) == 0, "no key for a thread's values is left")
        return key
    }()
}

/// Bytes of an account that are held as long as this lives: for memory that is not an allocation of
/// `AlignedMemory`, such as strings and tables.
public final class MemoryReservation: Sendable {
    private let account: MemoryAccount
    private let held = Atomic<Int>(0)

    public init(account: MemoryAccount = .current) { self.account = account }

    /// - Throws: `CoreError.memoryExhausted`.
    public convenience init(
        byteCount: Int, account: MemoryAccount = .current
    ) throws(CoreError) {
        self.init(account: account)
        try grow(by: byteCount)
    }

    public var byteCount: Int { held.load(ordering: .relaxed) }

    /// Takes more bytes.
    ///
    /// - Throws: `CoreError.memoryExhausted`; what was held before stays.
    public func grow(by byteCount: Int) throws(CoreError) {
        try account.reserve(byteCount)
        held.add(byteCount, ordering: .relaxed)
    }

    /// Gives back what is over `byteCount`.
    public func shrink(to byteCount: Int) {
        let surplus = self.byteCount - byteCount
        guard surplus > 0 else { return }
        held.subtract(surplus, ordering: .relaxed)
        account.release(surplus)
    }

    deinit { account.release(byteCount) }
}

/// What to do before a reservation is refused: give back what is kept only to be quick.
public enum MemoryReclaim {
    private static let handlers = Guarded<[@Sendable () -> Void]>([])

    /// - Parameter handler: called on any thread, without locks of the caller; it must not reserve.
    public static func add(_ handler: @escaping @Sendable () -> Void) {
        handlers.withLock { $0.append(handler) }
    }

    static func run() {
        for handler in handlers.withLock({ $0 }) { handler() }
    }
}

/// How much memory this process can have.
public enum MemoryLimits {
    /// Left for what is not counted: code, stacks, connections.
    public static let reserveByteCount = 64 << 20

    /// Bytes that tensors, activations and weights may take together.
    ///
    /// The least of what the machine has, what the address space still allows and `limit`, minus the
    /// reserve.
    ///
    /// - Parameter limit: of the control group; nil = none.
    public static func budgetByteCount(limit: UInt64? = nil) -> Int {
        var available = limit.map { Int(clamping: $0) } ?? .max
        let (pages, pageByteCount) = (sysconf(Int32(_SC_PHYS_PAGES)), sysconf(Int32(_SC_PAGESIZE)))
        if pages > 0, pageByteCount > 0 { available = min(available, pages * pageByteCount) }
        var addresses = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &addresses) == 0 {
            let allowed = Int(clamping: addresses.rlim_cur)
            if allowed < Int.max { available = min(available, allowed - mappedByteCount()) }
        }
        return max(available - reserveByteCount, reserveByteCount)
    }

    /// Bytes of the address space in use; 0 without /proc.
    private static func mappedByteCount() -> Int {
        guard let file = fopen("/proc/self/statm", "re") else { return 0 }
        defer { fclose(file) }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            guard let start = buffer.baseAddress, fgets(start, 64, file) != nil else { return 0 }
            return strtol(start, nil, 10) * sysconf(Int32(_SC_PAGESIZE))
        }
    }
}
