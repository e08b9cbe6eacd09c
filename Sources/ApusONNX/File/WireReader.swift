/// Reads protobuf fields one after another from a range of bytes, never outside it.
///
/// - Source: Protocol Buffers, "Encoding".
struct WireReader {
    /// The content of one field.
    enum Content {
        case varint(UInt64)
        case fixed32(UInt32)
        case fixed64(UInt64)
        /// Positions in the source.
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

    /// What is wrong, and at which byte.
    struct Failure: Error {
        let offset: Int
        let reason: String
    }

    let source: UnsafeRawBufferPointer
    private(set) var position: Int
    let end: Int

    /// - Parameter range: must be within `source`.
    init(_ source: UnsafeRawBufferPointer, _ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= source.count, "range of a reader")
        self.source = source
        self.position = range.lowerBound
        self.end = range.upperBound
    }

    var isAtEnd: Bool { position >= end }

    /// The next field, or nil at the end.
    mutating func next() throws(Failure) -> Field? {
        guard position < end else { return nil }
        let start = position
        let tag = try varint()
        let number = tag >> 3
        guard number >= 1, number <= 536_870_911 else {
            throw Failure(offset: start, reason: "field number \(number) is not allowed")
        }
        let content: Content
        switch tag & 7 {
        case 0: content = .varint(try varint())
        case 1: content = .fixed64(try fixed(UInt64.self))
        case 2:
            let at = position
            let length = try varint()
            guard length <= UInt64(end - position) else {
                throw Failure(
                    offset: at,
                    reason: "a length of \(length) bytes, but only \(end - position) are left")
            }
            content = .bytes(position..<position + Int(length))
            position += Int(length)
        case 5: content = .fixed32(try fixed(UInt32.self))
        default:
            throw Failure(offset: start, reason: "wire type \(tag & 7) is not allowed")
        }
        return Field(number: UInt32(number), content: content, range: start..<position)
    }

    /// A number in groups of seven bits.
    mutating func varint() throws(Failure) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        let start = position
        while position < end {
            let byte = source[position]
            position += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
            guard shift < 70 else {
                throw Failure(offset: start, reason: "a number of more than 10 bytes")
            }
        }
        throw Failure(offset: start, reason: "the data ends inside a number")
    }

    private mutating func fixed<Number: FixedWidthInteger & BitwiseCopyable>(
        _ type: Number.Type
    ) throws(Failure) -> Number {
        guard end - position >= MemoryLayout<Number>.size else {
            throw Failure(offset: position, reason: "the data ends inside a number")
        }
        defer { position += MemoryLayout<Number>.size }
        return Number(littleEndian: source.loadUnaligned(fromByteOffset: position, as: type))
    }
}
