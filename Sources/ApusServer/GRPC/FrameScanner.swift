/// Finds the heads of frames in the bytes of a connection.
struct FrameScanner {
    /// What matters of a frame.
    struct Frame {
        let type: UInt8
        let flags: UInt8
        let byteCount: Int
        let streamID: UInt32

        var isData: Bool { type == 0 && byteCount > 0 }
        var isHeaders: Bool { type == 1 }
        var isReset: Bool { type == 3 }
        /// About how many microseconds it takes.
        var weight: Int { isHeaders || isReset ? 16 : 1 }
    }

    /// Of the client's first words.
    private var prefaceLeft = 24
    private var payloadLeft = 0
    private var head: (bytes: UInt64, byteHigh: UInt8, count: Int) = (0, 0, 0)

    /// Passes over bytes up to the end of the next frame's head, or over its payload.
    ///
    /// - Returns: the frame whose head ended.
    mutating func next(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int) -> Frame? {
        if prefaceLeft > 0 {
            let count = min(prefaceLeft, bytes.count - offset)
            prefaceLeft -= count
            offset += count
            return nil
        }
        if payloadLeft > 0 {
            let count = min(payloadLeft, bytes.count - offset)
            payloadLeft -= count
            offset += count
            return nil
        }
        while offset < bytes.count {
            let byte = bytes[offset]
            offset += 1
            // Nine bytes: the first goes elsewhere, the others fill the integer.
            if head.count == 0 {
                head.byteHigh = byte
            } else {
                head.bytes = head.bytes << 8 | UInt64(byte)
            }
            head.count += 1
            guard head.count == 9 else { continue }
            let value = head.bytes
            let byteCount = Int(head.byteHigh) << 16 | Int(value >> 48)
            head = (0, 0, 0)
            payloadLeft = byteCount
            return Frame(
                type: UInt8(truncatingIfNeeded: value >> 40),
                flags: UInt8(truncatingIfNeeded: value >> 32), byteCount: byteCount,
                streamID: UInt32(truncatingIfNeeded: value) & 0x7fff_ffff)
        }
        return nil
    }
}
