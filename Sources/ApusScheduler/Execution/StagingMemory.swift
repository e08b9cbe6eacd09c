import ApusCore

/// Memory in which an instance gathers its batches, kept from one batch to the next.
///
/// A buffer is used again only when nobody else refers to it: a model may hand an input through as
/// an output, and then the responses keep the buffer and the next batch gets a fresh one.
struct StagingMemory {
    /// By input of the signature.
    private var buffers: [AlignedMemory?]

    init(inputCount: Int) { buffers = [AlignedMemory?](repeating: nil, count: inputCount) }

    /// Buffers over this are not kept: malloc has them ready for the next batch, and gives them back
    /// when nobody comes.
    private static let keptByteCountMax = 256 << 10

    /// Lets go of large buffers after a batch.
    mutating func dropLarge() {
        for position in buffers.indices
        where buffers[position].map({ $0.byteCount > Self.keptByteCountMax }) ?? false {
            buffers[position] = nil
        }
    }

    /// Memory of `byteCount` bytes for an input, aligned to 64 bytes, filled by `fill`.
    mutating func bytes(
        ofInput position: Int, byteCount: Int, filledBy fill: (UnsafeMutableRawPointer) -> Void
    ) throws(CoreError) -> TensorBytes {
        let memory: AlignedMemory
        if isKnownUniquelyReferenced(&buffers[position]), let kept = buffers[position],
            kept.byteCount >= byteCount
        {
            memory = kept
        } else {
            buffers[position] = nil
            memory = try AlignedMemory(byteCount: byteCount)
            buffers[position] = memory
        }
        fill(memory.pointer)
        return TensorBytes(pointer: memory.pointer, count: byteCount, owner: memory)
    }
}
