import ApusCore

/// Constants of one model in kernels' layouts: made once, shared by plans and instances.
final class PackedConstants: Sendable {
    private struct Key: Hashable {
        let constant: ObjectIdentifier
        let layout: String
    }
    private struct Entry {
        let bytes: TensorBytes
        /// Kept, so that its identity stays its own.
        let constant: ModelConstant
    }
    private let entries = Guarded<[Key: Entry]>([:])

    /// Bytes of all packed constants.
    var byteCount: Int { entries.withLock { $0.values.reduce(0) { $0 + $1.bytes.count } } }

    /// A constant in a layout; `pack` makes it out of the elements if it is not there yet.
    func bytes(
        of constant: ModelConstant, layout: String, byteCount: Int,
        pack: (UnsafeRawBufferPointer, UnsafeMutableRawBufferPointer) throws -> Void
    ) throws(EngineError) -> TensorBytes {
        let key = Key(constant: ObjectIdentifier(constant), layout: layout)
        if let found = entries.withLock({ $0[key] }) { return found.bytes }
        guard let source = constant.content?.bytes else {
            throw .invalidGraph(
                "constant \"\(constant.name)\" is wanted in layout \(layout), but is kept in another"
            )
        }
        let made: TensorBytes
        do {
            made = try TensorBytes(lastingByteCount: byteCount) { target in
                try source.withUnsafeBytes { try pack($0, target) }
            }
        } catch let error as EngineError {
            throw error
        } catch {
            throw (error as? CoreError).flatMap { EngineError(memory: $0) }
                ?? .outOfMemory(byteCount: byteCount)
        }
        return entries.withLock {
            if let earlier = $0[key] { return earlier.bytes }
            $0[key] = Entry(bytes: made, constant: constant)
            return made
        }
    }
}
