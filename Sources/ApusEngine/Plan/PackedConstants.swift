import ApusCore

/// Constants of one model in kernels' layouts: made once, shared by plans and instances.
final class PackedConstants: Sendable {
    private struct Key: Hashable {
        let name: String
        let layout: String
    }
    private let entries = Guarded<[Key: TensorBytes]>([:])

    /// Bytes of all packed constants.
    var byteCount: Int { entries.withLock { $0.values.reduce(0) { $0 + $1.count } } }

    func bytes(
        name: String, layout: String, byteCount: Int,
        pack: (UnsafeMutableRawBufferPointer) throws -> Void
    ) throws(EngineError) -> TensorBytes {
        let key = Key(name: name, layout: layout)
        if let found = entries.withLock({ $0[key] }) { return found }
        let made: TensorBytes
        do {
            made = try TensorBytes(byteCount: byteCount, initializingWith: pack)
        } catch let error as EngineError {
            throw error
        } catch {
            throw .outOfMemory(byteCount: byteCount)
        }
        return entries.withLock {
            if let earlier = $0[key] { return earlier }
            $0[key] = made
            return made
        }
    }
}
