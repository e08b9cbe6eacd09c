/// Base64 with the standard alphabet; padding may be left out, white space is not allowed.
///
/// - Source: RFC 4648, section 4.
enum Base64 {
    static func decoded(_ text: [UInt8]) -> [UInt8]? {
        var digits = text[...]
        if digits.count % 4 == 0 {
            for _ in 0..<2 where digits.last == UInt8(ascii: "=") { digits.removeLast() }
        }
        guard digits.count % 4 != 1 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 4 * 3 + 3)
        var group: UInt32 = 0
        var bitCount = 0
        for digit in digits {
            let value = values[Int(digit)]
            guard value < 64 else { return nil }
            group = group << 6 | UInt32(value)
            bitCount += 6
            if bitCount >= 8 {
                bitCount -= 8
                bytes.append(UInt8(truncatingIfNeeded: group >> UInt32(bitCount)))
            }
        }
        // The bits that no byte takes must be zero, or two texts would mean the same bytes.
        return group & (1 << UInt32(bitCount) - 1) == 0 ? bytes : nil
    }

    /// The digits of bytes, padded.
    static func encoded(_ bytes: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let part = bytes[start..<min(start + 3, bytes.count)]
            var group: UInt32 = 0
            for byte in part { group = group << 8 | UInt32(byte) }
            group <<= UInt32(8 * (3 - part.count))
            for place in 0..<4 {
                let digit = Int(group >> UInt32(18 - 6 * place) & 63)
                text.append(place <= part.count ? alphabet[digit] : UInt8(ascii: "="))
            }
        }
        return text
    }

    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// The value of each byte as a digit; 64 for those that are none.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 64, count: 256)
        for (value, digit) in alphabet.enumerated() { values[Int(digit)] = UInt8(value) }
        return values
    }()
}
