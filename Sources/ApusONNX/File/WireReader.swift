/// Reads protobuf fields one after another from a range of a file, never outside it.
///
/// - Source: Protocol Buffers, "Encoding".
struct WireReader {
    /// The content of one field.
    enum Content {
        case varint(UInt64)
        case fixed32(UInt32)
        case fixed64(UInt64)
        /// Positions in the file.
        case bytes(Range<Int>)

        var wireType: UInt64 {
            switch self {
            case .varint: 0
            case .fixed64: 1
            case .bytes: 2
            case .fixed32: 5
            }
        }
    }

    struct Field {
        let number: UInt32
        let content: Content
        /// From the first byte of the tag to the last of the content.
        let range: Range<Int>
    }

    private let file: FileBytes
    /// What the bytes are, for errors; may be empty.
    private let place: String
    private(set) var position: Int
    private let end: Int

    /// - Parameter range: must be within the file.
    init(_ file: FileBytes, _ range: Range<Int>, place: String = "") {
        precondition(range.lowerBound >= 0 && range.upperBound <= file.count, "range of a reader")
        self.file = file
        self.place = place
        self.position = range.lowerBound
        self.end = range.upperBound
    }

    var isAtEnd: Bool { position >= end }

    /// The next field, or nil at the end.
    mutating func next() throws(ONNXError) -> Field? {
        guard position < end else { return nil }
        let start = position
        let tag = try varint()
        let number = tag >> 3
        guard number >= 1, number <= 536_870_911 else {
            throw malformed(start, "field number \(number) is not allowed")
        }
        let content: Content
        switch tag & 7 {
        case 0: content = .varint(try varint())
        case 1: content = .fixed64(try fixed(UInt64.self))
        case 2:
            let at = position
            let length = try varint()
            guard length <= UInt64(end - position) else {
                throw malformed(
                    at, "a length of \(length) bytes, but only \(end - position) are left")
            }
            content = .bytes(position..<position + Int(length))
            position += Int(length)
        case 5: content = .fixed32(try fixed(UInt32.self))
        default:
            throw malformed(start, "wire type \(tag & 7) is not allowed")
        }
        return Field(number: UInt32(number), content: content, range: start..<position)
    }

    /// A number in groups of seven bits.
    mutating func varint() throws(ONNXError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        let start = position
        while position < end {
            let byte = try file.byte(at: position)
            position += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
            guard shift < 70 else {
                throw malformed(start, "a number of more than 10 bytes")
            }
        }
        throw malformed(start, "the data ends inside a number")
    }

    private mutating func fixed<Number: FixedWidthInteger & BitwiseCopyable>(
        _ type: Number.Type
    ) throws(ONNXError) -> Number {
        guard end - position >= MemoryLayout<Number>.size else {
            throw malformed(position, "the data ends inside a number")
        }
        var number: Number = 0
        for shift in 0..<MemoryLayout<Number>.size {
            number |= Number(truncatingIfNeeded: try file.byte(at: position)) << (8 * shift)
            position += 1
        }
        return number
    }

    private func malformed(_ offset: Int, _ reason: String) -> ONNXError {
        .malformed(file: file.name, offset: offset, field: place, reason: reason)
    }
}
