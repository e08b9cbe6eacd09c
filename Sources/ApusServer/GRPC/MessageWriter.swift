import ApusWire
import NIOCore

/// Puts messages into frames of gRPC: a flag, the length in four bytes, the message.
///
/// - Source: gRPC over HTTP/2, "Length-Prefixed-Message".
struct MessageWriter: Sendable {
    let allocator: ByteBufferAllocator
    /// Nil = messages go as they are.
    let compression: ContentCoding?
    /// 1 (fast) to 9 (small).
    let level: Int

    /// - Parameter write: writes the message to memory of `byteCount` bytes.
    func frame(
        byteCount: Int, _ write: (UnsafeMutableRawPointer) -> Void
    ) throws(GRPCProblem) -> ByteBuffer {
        guard byteCount <= Int32.max else { throw .responseTooLarge(byteCount: byteCount) }
        var buffer = allocator.buffer(capacity: MessageFramer.prefixByteCount + byteCount)
        buffer.writeInteger(UInt8(0))
        buffer.writeInteger(UInt32(byteCount))
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: byteCount) { memory in
            if byteCount > 0, let target = memory.baseAddress { write(target) }
            return byteCount
        }
        guard let compression else { return buffer }
        return compressed(buffer, compression)
    }

    /// The frame with its message compressed, or as it is if that does not help.
    private func compressed(_ frame: ByteBuffer, _ coding: ContentCoding) -> ByteBuffer {
        let prefixByteCount = MessageFramer.prefixByteCount
        let result = frame.withUnsafeReadableBytes { bytes in
            try? Deflater.deflated(
                UnsafeRawBufferPointer(rebasing: bytes[prefixByteCount...]), coding,
                level: Int32(clamping: level), margin: prefixByteCount)
        }
        guard let result, result.count < frame.readableBytes else { return frame }
        var buffer = allocator.buffer(capacity: result.count)
        buffer.writeBytes(result)
        buffer.setInteger(UInt8(1), at: 0)
        buffer.setInteger(UInt32(result.count - prefixByteCount), at: 1)
        return buffer
    }
}
