import ApusCore

/// Constants of one model in kernels' layouts: made once, shared by plans and instances.
final class PackedConstants: Sendable {
    /// Where a constant lies tells which one it is: branches of an If may use one name for two.
    private struct Key: Hashable {
        let source: UInt
        let name: String
        let layout: String
    }
    private struct Entry {
        let bytes: TensorBytes
        /// Kept, so that its address stays its own.
        let source: TensorBytes
    }
    private let entries = Guarded<[Key: Entry]>([:])

    /// Bytes of all packed constants.
    var byteCount: Int { entries.withLock { $0.values.reduce(0) { $0 + $1.bytes.count } } }

    /// - Parameter source: the constant as it is in the model.
    func bytes(
        of source: TensorBytes, name: String, layout: String, byteCount: Int,
        pack: (UnsafeMutableRawBufferPointer) throws -> Void
    ) throws(EngineError) -> TensorBytes {
        let key = Key(source: UInt(bitPattern: source.pointer), name: name, layout: layout)
        if let found = entries.withLock({ $0[key] }) { return found.bytes }
        let made: TensorBytes
        do {
            made = try TensorBytes(byteCount: byteCount, initializingWith: pack)
        } catch let error as EngineError {
            throw error
        } catch {
            throw (error as? CoreError).flatMap { EngineError(memory: $0) }
                ?? .outOfMemory(byteCount: byteCount)
        }
        return entries.withLock {
            if let earlier = $0[key] { return earlier.bytes }
            $0[key] = Entry(bytes: made, source: source)
            return made
        }
    }
}
