import CZlib

/// Compresses whole bodies and messages.
public enum Deflater {
    /// zlib's fastest: tensors compress little better with more effort, and take ten times as long.
    public static let defaultLevel: Int32 = 1

    /// `source`, compressed.
    ///
    /// - Parameters:
    ///   - level: of zlib, from 1 (fast) to 9 (small).
    ///   - margin: bytes left free before the result, for what goes in front of it.
    /// - Throws: `outOfMemory`.
    public static func deflated(
        _ source: UnsafeRawBufferPointer, _ coding: ContentCoding, level: Int32 = defaultLevel,
        margin: Int = 0
    ) throws(WireError) -> [UInt8] {
        var stream = z_stream()
        // zlib remembers the address of the stream: all happens within this call.
        let result = withUnsafeMutablePointer(to: &stream) { stream in
            Result { () throws(WireError) in
                guard apus_zlib_start_deflating(stream, coding.windowBits, level) == Z_OK else {
                    throw .outOfMemory(byteCount: 256 << 10)
                }
                defer { deflateEnd(stream) }
                let bound = Int(deflateBound(stream, UInt(source.count)))
                return [UInt8](unsafeUninitializedCapacity: margin + bound) { target, count in
                    target.prefix(margin).update(repeating: 0)
                    count =
                        margin
                        + write(
                            source, stream,
                            UnsafeMutableBufferPointer(
                                rebasing: target[margin...]))
                }
            }
        }
        return try result.get()
    }

    /// - Returns: how many bytes were written.
    private static func write(
        _ source: UnsafeRawBufferPointer, _ stream: UnsafeMutablePointer<z_stream>,
        _ target: UnsafeMutableBufferPointer<UInt8>
    ) -> Int {
        var consumed = 0
        var produced = 0
        while true {
            // zlib counts in 32 bits.
            let input = UnsafeRawBufferPointer(rebasing: source[consumed...].prefix(1 << 30))
            let output = UnsafeMutableBufferPointer(rebasing: target[produced...].prefix(1 << 30))
            stream.pointee.next_in = UnsafeMutablePointer(
                mutating: input.assumingMemoryBound(to: UInt8.self).baseAddress)
            stream.pointee.avail_in = UInt32(input.count)
            stream.pointee.next_out = output.baseAddress
            stream.pointee.avail_out = UInt32(output.count)
            let isLast = consumed + input.count == source.count
            let status = deflate(stream, isLast ? Z_FINISH : Z_NO_FLUSH)
            consumed += input.count - Int(stream.pointee.avail_in)
            produced += output.count - Int(stream.pointee.avail_out)
            if status == Z_STREAM_END { return produced }
            precondition(
                status == Z_OK && produced < target.count,
                "zlib needs more room than its own bound")
        }
    }
}
