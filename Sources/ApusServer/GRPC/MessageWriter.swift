import ApusWire
import NIOCore

/// Puts messages into frames of gRPC: a flag, the length in four bytes, the message.
///
/// - Source: gRPC over HTTP/2, "Length-Prefixed-Message".
enum MessageWriter {
    /// - Parameter write: writes the message to memory of `byteCount` bytes.
    static func buffer(
        byteCount: Int, _ allocator: ByteBufferAllocator,
        _ write: (UnsafeMutableRawPointer) -> Void
    ) -> ByteBuffer {
        var buffer = allocator.buffer(capacity: MessageFramer.prefixByteCount + byteCount)
        buffer.writeInteger(UInt8(0))
        buffer.writeInteger(UInt32(byteCount))
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: byteCount) { memory in
            if byteCount > 0, let target = memory.baseAddress { write(target) }
            return byteCount
        }
        return buffer
    }

    /// The frame with its message compressed, or as it is if that does not help.
    static func compressed(
        _ frame: ByteBuffer, _ coding: ContentCoding, level: Int, _ allocator: ByteBufferAllocator
    ) -> ByteBuffer {
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
