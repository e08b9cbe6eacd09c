import ApusCore

/// Reads the fields of one protobuf message from bytes that nobody has checked.
///
/// - Source: Protocol Buffers, "Encoding".
struct ProtobufReader {
    enum WireType: UInt8 {
        case varint = 0
        case fixed64 = 1
        case bytes = 2
        case groupStart = 3
        case groupEnd = 4
        case fixed32 = 5
    }

    /// A field's number and the form of its value.
    struct Tag: Equatable {
        let field: UInt32
        let type: WireType
    }

    private let start: UnsafeRawPointer
    private let end: Int
    /// Bytes from the start of the memory, which is that of the whole message.
    private(set) var offset: Int

    /// - Parameter range: the part of the bytes that is the message.
    init(_ bytes: TensorBytes, _ range: Range<Int>) {
        start = bytes.pointer
        offset = range.lowerBound
        end = range.upperBound
    }

    /// Whether bytes are left.
    var isInside: Bool { offset < end }

    /// The next field, or nil at the end.
    mutating func nextTag() throws(WireError) -> Tag? {
        guard offset < end else { return nil }
        let position = offset
        let value = try varint()
        guard let type = WireType(rawValue: UInt8(truncatingIfNeeded: value & 7)),
            value >> 3 >= 1, value >> 3 < 1 << 29
        else { throw .malformedProtobuf(reason: "no field starts here", offset: position) }
        return Tag(field: UInt32(truncatingIfNeeded: value >> 3), type: type)
    }

    mutating func varint() throws(WireError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while offset < end {
            let byte = start.load(fromByteOffset: offset, as: UInt8.self)
            offset += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
            guard shift < 70 else {
                throw .malformedProtobuf(reason: "a number has too many bytes", offset: offset)
            }
        }
        throw .malformedProtobuf(reason: "the message ends inside a number", offset: offset)
    }

    /// Where the bytes of a length-delimited value are.
    mutating func bytes() throws(WireError) -> Range<Int> {
        let position = offset
        let length = try varint()
        guard length <= UInt64(end - offset) else {
            throw .malformedProtobuf(
                reason: "a value has length \(length), but \(end - offset) bytes follow",
                offset: position)
        }
        let range = offset..<offset + Int(length)
        offset = range.upperBound
        return range
    }

    mutating func string() throws(WireError) -> String {
        let range = try bytes()
        let text = UnsafeRawBufferPointer(start: start + range.lowerBound, count: range.count)
        guard let string = String(validating: text, as: UTF8.self) else {
            throw .malformedProtobuf(reason: "a string is not UTF-8", offset: range.lowerBound)
        }
        return string
    }

    mutating func fixed64() throws(WireError) -> UInt64 {
        guard end - offset >= 8 else {
            throw .malformedProtobuf(reason: "the message ends inside a number", offset: offset)
        }
        defer { offset += 8 }
        return UInt64(littleEndian: start.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    mutating func fixed32() throws(WireError) -> UInt32 {
        guard end - offset >= 4 else {
            throw .malformedProtobuf(reason: "the message ends inside a number", offset: offset)
        }
        defer { offset += 4 }
        return UInt32(littleEndian: start.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    /// Passes over the value of a field that nobody wants.
    mutating func skip(_ tag: Tag) throws(WireError) {
        var open: [UInt32] = []
        try skipValue(tag, &open)
        while !open.isEmpty {
            guard let inner = try nextTag() else {
                throw .malformedProtobuf(reason: "a group does not end", offset: offset)
            }
            try skipValue(inner, &open)
        }
    }

    /// - Parameter open: numbers of the groups that have begun.
    private mutating func skipValue(_ tag: Tag, _ open: inout [UInt32]) throws(WireError) {
        switch tag.type {
        case .varint: _ = try varint()
        case .bytes: _ = try bytes()
        case .fixed64: try advance(8)
        case .fixed32: try advance(4)
        case .groupStart:
            guard open.count < 100 else {
                throw .malformedProtobuf(reason: "groups are nested too deeply", offset: offset)
            }
            open.append(tag.field)
        case .groupEnd:
            guard open.popLast() == tag.field else {
                throw .malformedProtobuf(reason: "a group ends that did not begin", offset: offset)
            }
        }
    }

    private mutating func advance(_ byteCount: Int) throws(WireError) {
        guard byteCount <= end - offset else {
            throw .malformedProtobuf(reason: "the message ends inside a number", offset: offset)
        }
        offset += byteCount
    }
}
