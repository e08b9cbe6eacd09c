import ApusCore
import Glibc

/// Writes protobuf fields into memory that is large enough; the sizes come from `ProtobufSize`.
///
/// - Source: Protocol Buffers, "Encoding".
struct ProtobufWriter {
    private(set) var next: UnsafeMutableRawPointer

    init(_ target: UnsafeMutableRawPointer) { next = target }

    mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            byte(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        byte(UInt8(truncatingIfNeeded: rest))
    }

    /// A tag whose field number is below 16.
    mutating func tag(_ field: UInt8, _ type: ProtobufReader.WireType) {
        byte(field << 3 | type.rawValue)
    }

    /// The head of a value with a length, which must follow.
    mutating func length(_ field: UInt8, _ byteCount: Int) {
        tag(field, .bytes)
        varint(UInt64(byteCount))
    }

    mutating func string(_ field: UInt8, _ text: String) {
        var text = text
        text.withUTF8 { bytes in
            length(field, bytes.count)
            if let start = bytes.baseAddress { copy(UnsafeRawPointer(start), bytes.count) }
        }
    }

    mutating func bytes(_ field: UInt8, _ value: [UInt8]) {
        value.withUnsafeBytes { bytes in
            length(field, bytes.count)
            if let start = bytes.baseAddress { copy(start, bytes.count) }
        }
    }

    mutating func fixed64(_ value: UInt64) {
        next.storeBytes(of: value.littleEndian, as: UInt64.self)
        next += 8
    }

    /// The elements of a tensor in the binary form.
    mutating func elements(of tensor: Tensor) {
        let target = next.assumingMemoryBound(to: UInt8.self)
        next = UnsafeMutableRawPointer(BinaryTensor.write(tensor, to: target))
    }

    private mutating func byte(_ value: UInt8) {
        next.storeBytes(of: value, as: UInt8.self)
        next += 1
    }

    private mutating func copy(_ source: UnsafeRawPointer, _ byteCount: Int) {
        memcpy(next, source, byteCount)
        next += byteCount
    }
}

/// How many bytes values take.
enum ProtobufSize {
    static func varint(_ value: UInt64) -> Int {
        (64 - min(value.leadingZeroBitCount, 63) + 6) / 7
    }

    /// A value with a length and its tag, of a field number below 16.
    static func field(_ byteCount: Int) -> Int { 1 + varint(UInt64(byteCount)) + byteCount }

    static func string(_ text: String) -> Int { field(text.utf8.count) }

    /// A parameter as an entry of a map: without the entry's own tag and length.
    static func entry(_ name: String, _ value: ParameterValue) -> Int {
        string(name) + field(parameter(value))
    }

    /// An `InferParameter`.
    static func parameter(_ value: ParameterValue) -> Int {
        switch value {
        case .bool: 2
        case .int64(let number): 1 + varint(UInt64(bitPattern: number))
        case .uint64(let number): 1 + varint(number)
        case .double: 9
        case .string(let text): string(text)
        }
    }
}

extension ProtobufWriter {
    /// An entry of a map of `InferParameter`s.
    mutating func entry(_ field: UInt8, _ name: String, _ value: ParameterValue) {
        length(field, ProtobufSize.entry(name, value))
        string(1, name)
        length(2, ProtobufSize.parameter(value))
        switch value {
        case .bool(let flag):
            tag(1, .varint)
            varint(flag ? 1 : 0)
        case .int64(let number):
            tag(2, .varint)
            varint(UInt64(bitPattern: number))
        case .string(let text): string(3, text)
        case .double(let number):
            tag(4, .fixed64)
            fixed64(number.bitPattern)
        case .uint64(let number):
            tag(5, .varint)
            varint(number)
        }
    }
}
