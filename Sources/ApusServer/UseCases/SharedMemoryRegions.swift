import ApusCore
import ApusWire
import Glibc

/// The system shared memory that clients have registered, for every protocol.
///
/// Memory of clients is copied through its descriptor and never mapped: a client that cuts its
/// object short gets an error, where a mapping would end the server by SIGBUS.
///
/// - Source: Triton, shared memory extension.
final class SharedMemoryRegions: SharedMemoryReader, Sendable {
    /// What a client registered.
    struct Description: Sendable, Equatable {
        var name: String
        /// Of the shared memory object, as for `shm_open`.
        var key: String
        /// Where the region starts in the object, and how long it is, in bytes.
        var offset: UInt64
        var byteCount: UInt64
    }

    static let countMax = 1024

    let isAllowed: Bool
    private let regions = Guarded([String: Region]())

    private let inputByteCountMax: Int
    private let inputMemory: ByteBudget

    /// - Parameters:
    ///   - inputByteCountMax: bytes of one input.
    ///   - inputMemoryByteCountMax: bytes of all inputs that are held at the same time.
    init(
        isAllowed: Bool, inputByteCountMax: Int = 64 << 20, inputMemoryByteCountMax: Int = 2 << 30
    ) {
        self.isAllowed = isAllowed
        self.inputByteCountMax = inputByteCountMax
        inputMemory = ByteBudget(byteCountMax: inputMemoryByteCountMax)
    }

    // MARK: Registration

    func register(_ description: Description) throws(SharedMemoryError) {
        guard isAllowed else { throw .notAllowed }
        try Self.checkName(description.name)
        if regions.withLock({ $0[description.name] != nil }) { throw .nameTaken(description.name) }
        let region = try Region(opening: description)
        try regions.withLock { regions throws(SharedMemoryError) in
            guard regions[description.name] == nil else { throw .nameTaken(description.name) }
            guard regions.count < Self.countMax else {
                throw .tooManyRegions(countMax: Self.countMax)
            }
            regions[description.name] = region
        }
    }

    /// Forgets a region, or all of them. Nothing is read from or written to it any more, and
    /// requests that wanted to get an error. A name that is not registered is none to forget.
    func unregister(_ name: String?) throws(SharedMemoryError) {
        if let name { try Self.checkName(name) }
        regions.withLock { regions in
            guard let name else {
                for region in regions.values { region.isRevoked.cancel() }
                regions = [:]
                return
            }
            regions.removeValue(forKey: name)?.isRevoked.cancel()
        }
    }

    /// What is registered: one region or all, by name.
    func status(_ name: String?) throws(SharedMemoryError) -> [Description] {
        guard let name else {
            return regions.withLock { $0.values.map(\.description) }.sorted { $0.name < $1.name }
        }
        return [try region(name).description]
    }

    private func region(_ name: String) throws(SharedMemoryError) -> Region {
        guard let region = regions.withLock({ $0[name] }) else { throw .unknownRegion(name) }
        return region
    }

    private static func checkName(_ name: String) throws(SharedMemoryError) {
        let isAllowed =
            !name.isEmpty && name.utf8.count <= 255
            && name.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f }
        guard isAllowed else { throw .invalidName(String(name.prefix(255))) }
    }

    // MARK: Use

    func read(_ reference: SharedMemoryReference) throws(SharedMemoryError) -> TensorBytes {
        let target = try target(reference)
        guard reference.byteCount <= inputByteCountMax else {
            throw .inputTooLarge(reference, byteCountMax: inputByteCountMax)
        }
        return try target.read(within: inputMemory)
    }

    /// Finds the place for an output before the model runs, so that a wrong one costs nothing.
    func target(_ reference: SharedMemoryReference) throws(SharedMemoryError) -> Target {
        guard isAllowed else { throw .notAllowed }
        let region = try region(reference.region)
        let (end, overflow) = reference.offset.addingReportingOverflow(reference.byteCount)
        guard !overflow, end <= region.description.byteCount else {
            throw .outsideRegion(reference, regionByteCount: region.description.byteCount)
        }
        return Target(region: region, reference: reference)
    }

    /// A part of a region, checked to lie inside it.
    struct Target: Sendable {
        fileprivate let region: Region
        let reference: SharedMemoryReference

        fileprivate func read(within budget: ByteBudget) throws(SharedMemoryError) -> TensorBytes {
            let byteCount = Int(clamping: reference.byteCount)
            try region.requireBytes(of: reference)
            guard let memory = CopiedInput(byteCount: byteCount, budget: budget) else {
                throw .memoryExhausted
            }
            try region.transfer(byteCount, from: reference.offset) { done, position in
                pread(region.descriptor, memory.pointer + done, byteCount - done, position)
            }
            return TensorBytes(
                pointer: UnsafeRawPointer(memory.pointer), count: byteCount, owner: memory)
        }

        /// Writes an output's bytes.
        ///
        /// - Throws: `outputTooLarge` if there is no room for them.
        func write(_ bytes: UnsafeRawBufferPointer, output: String) throws(SharedMemoryError) {
            guard bytes.count <= reference.byteCount else {
                throw .outputTooLarge(
                    output: output, region: reference.region, found: bytes.count,
                    available: reference.byteCount)
            }
            // Writing past the end would make the client's object longer.
            try region.requireBytes(of: reference)
            guard let start = bytes.baseAddress else { return }
            try region.transfer(bytes.count, from: reference.offset) { done, position in
                pwrite(region.descriptor, start + done, bytes.count - done, position)
            }
        }
    }

    /// Memory of one input, counted as long as somebody holds it.
    private final class CopiedInput: Sendable {
        var pointer: UnsafeMutableRawPointer { memory.pointer }
        private let memory: AlignedMemory
        private let budget: ByteBudget

        /// - Returns: nil if the budget or the system has too little.
        init?(byteCount: Int, budget: ByteBudget) {
            guard budget.take(byteCount) else { return nil }
            guard let memory = try? AlignedMemory(byteCount: byteCount) else {
                budget.giveBack(byteCount)
                return nil
            }
            self.memory = memory
            self.budget = budget
        }

        deinit { budget.giveBack(memory.byteCount) }
    }

    /// A registered region and its open object, closed with the last reference.
    fileprivate final class Region: Sendable {
        let description: Description
        let descriptor: Int32
        /// Set when the region was unregistered.
        let isRevoked = CancellationFlag()

        init(opening description: Description) throws(SharedMemoryError) {
            self.description = description
            let name = description.name
            guard description.byteCount > 0 else { throw .emptyRegion(name) }
            try Self.checkKey(description.key)
            // Objects that only a reader may open serve for inputs. Pipes must not make us wait.
            var descriptor = shm_open(description.key, O_RDWR | O_NONBLOCK, 0)
            if descriptor < 0, errno == EACCES {
                descriptor = shm_open(description.key, O_RDONLY | O_NONBLOCK, 0)
            }
            guard descriptor >= 0 else {
                throw .cannotOpen(region: name, reason: String(cString: strerror(errno)))
            }
            self.descriptor = descriptor
            try requireBytes(
                from: description.offset, byteCount: description.byteCount, region: name)
        }

        deinit { close(descriptor) }

        /// At most a leading slash: nothing but an object of shared memory can be meant.
        private static func checkKey(_ key: String) throws(SharedMemoryError) {
            let name = key.hasPrefix("/") ? key.dropFirst() : key[...]
            let isAllowed =
                !name.isEmpty && key.utf8.count <= 255 && !name.hasPrefix(".")
                && name.unicodeScalars.allSatisfy {
                    $0.value >= 0x20 && $0.value != 0x7f && $0 != "/"
                }
            guard isAllowed else { throw .invalidKey(String(key.prefix(255))) }
        }

        /// Checks, before each use, that the object still has the bytes of a part of the region.
        func requireBytes(of reference: SharedMemoryReference) throws(SharedMemoryError) {
            guard !isRevoked.isCancelled else { throw .unknownRegion(reference.region) }
            // The sum was checked at registration.
            try requireBytes(
                from: description.offset &+ reference.offset, byteCount: reference.byteCount,
                region: reference.region)
        }

        private func requireBytes(
            from offset: UInt64, byteCount: UInt64, region: String
        ) throws(SharedMemoryError) {
            let size = lseek(descriptor, 0, SEEK_END)
            guard size >= 0 else {
                throw .cannotOpen(region: region, reason: "it is no shared memory object")
            }
            let found = UInt64(size)
            let (end, overflow) = offset.addingReportingOverflow(byteCount)
            guard !overflow, end <= found else {
                throw .objectTooSmall(
                    region: region, found: found, offset: offset, byteCount: byteCount)
            }
        }

        /// Repeats a transfer until all bytes are through.
        func transfer(
            _ byteCount: Int, from offset: UInt64, _ part: (_ done: Int, _ position: off_t) -> Int
        ) throws(SharedMemoryError) {
            let start = off_t(clamping: description.offset &+ offset)
            var done = 0
            while done < byteCount {
                let count = part(done, start + done)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    throw .cannotTransfer(
                        region: description.name,
                        reason: count == 0 ? "it became shorter" : String(cString: strerror(errno)))
                }
                done += count
            }
        }
    }
}
