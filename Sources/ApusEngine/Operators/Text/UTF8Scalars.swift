/// Unicode scalars in bytes that need not be UTF-8.
enum UTF8Scalars {
    /// What stands at a byte that starts no valid UTF-8 sequence; no scalar has this number.
    static let invalid: UInt32 = .max

    /// The scalar at `index`, and the bytes it takes; `invalid` takes one byte.
    ///
    /// - Source: Unicode 15, table 3-7: no overlong forms, no surrogates.
    @inline(__always)
    static func decode(
        _ bytes: UnsafeBufferPointer<UInt8>, at index: Int
    ) -> (scalar: UInt32, byteCount: Int) {
        let first = bytes[index]
        if first < 0x80 { return (UInt32(first), 1) }
        return decodeMany(bytes, at: index, first)
    }

    private static func decodeMany(
        _ bytes: UnsafeBufferPointer<UInt8>, at index: Int, _ first: UInt8
    ) -> (scalar: UInt32, byteCount: Int) {
        let count: Int
        let least: UInt32
        var scalar: UInt32
        switch first {
        case 0xC2...0xDF: (count, least, scalar) = (2, 0x80, UInt32(first & 0x1F))
        case 0xE0...0xEF: (count, least, scalar) = (3, 0x800, UInt32(first & 0x0F))
        case 0xF0...0xF4: (count, least, scalar) = (4, 0x10000, UInt32(first & 0x07))
        default: return (invalid, 1)
        }
        guard index + count <= bytes.count else { return (invalid, 1) }
        for next in bytes[index + 1..<index + count] {
            guard next & 0xC0 == 0x80 else { return (invalid, 1) }
            scalar = scalar << 6 | UInt32(next & 0x3F)
        }
        let isSurrogate = scalar & 0xFFFF_F800 == 0xD800
        guard scalar >= least, scalar <= 0x10FFFF, !isSurrogate else { return (invalid, 1) }
        return (scalar, count)
    }

    /// The number of scalars; nil unless all bytes are UTF-8.
    static func count(_ bytes: UnsafeBufferPointer<UInt8>) -> Int? {
        var index = 0
        var count = 0
        while index < bytes.count {
            let (scalar, byteCount) = decode(bytes, at: index)
            guard scalar != invalid else { return nil }
            index += byteCount
            count += 1
        }
        return count
    }

    static func append(_ scalar: Unicode.Scalar, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }
}
