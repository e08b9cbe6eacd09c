internal import ApusCore
public import ApusEngine

/// Writes values as the files of golden cases.
///
/// - Source: `TensorProto`, `SequenceProto`, `MapProto` and `OptionalProto` of `onnx.proto`.
public enum ValueWriter {
    /// The message's bytes: TensorProto with raw data, SequenceProto, OptionalProto or MapProto.
    public static func bytes(_ value: Value) -> [UInt8] {
        var message = MessageWriter()
        switch value {
        case .tensor(let tensor): append(tensor, to: &message)
        case .sequence(let values, _):
            message.varint(2, values.first.map(kind) ?? 0)
            for element in values { message.message(kind(element) + 2, bytes(element)) }
        case .optional(let value, _):
            message.varint(2, value.map(kind) ?? 0)
            if let value { message.message(kind(value) + 2, bytes(value)) }
        case .map(let keys, let values): append(keys, values, to: &message)
        }
        return message.bytes
    }

    /// The number of a value's kind (`ElementKind`); its field in both SequenceProto and
    /// OptionalProto is two higher.
    private static func kind(_ value: Value) -> Int {
        switch value {
        case .tensor: 1
        case .sequence: 3
        case .map: 4
        case .optional: 5
        }
    }

    private static func append(_ tensor: Tensor, to message: inout MessageWriter) {
        for length in tensor.shape { message.varint(1, length) }
        append(tensor, 0..<tensor.elementCount, to: &message)
    }

    /// The data type and some of the elements.
    private static func append(
        _ tensor: Tensor, _ range: Range<Int>, to message: inout MessageWriter
    ) {
        message.varint(2, Int(tensor.dataType.rawValue))
        switch tensor.storage {
        case .strings(let strings): for string in strings[range] { message.message(6, string) }
        case .bytes(let bytes):
            let width = tensor.dataType.byteCount ?? 1
            let raw = bytes.withUnsafeBytes { all in
                let elements = UnsafeRawBufferPointer(
                    rebasing: all[range.lowerBound * width..<range.upperBound * width])
                return tensor.dataType.packedBitCount.map { SubByte.pack(elements, $0) }
                    ?? Array(elements)
            }
            message.message(9, raw)
        }
    }

    /// Keys, and as many tensors of no dimension.
    private static func append(_ keys: Tensor, _ values: Tensor, to message: inout MessageWriter) {
        message.varint(2, Int(keys.dataType.rawValue))
        for key in keys.elements(as: Int64.self) { message.varint(3, Int(key)) }
        for key in keys.strings ?? [] { message.message(4, key) }
        var sequence = MessageWriter()
        sequence.varint(2, 1)
        for index in 0..<values.elementCount {
            var element = MessageWriter()
            append(values, index..<index + 1, to: &element)
            sequence.message(3, element.bytes)
        }
        message.message(5, sequence.bytes)
    }
}

/// Writes protobuf fields.
struct MessageWriter {
    private(set) var bytes: [UInt8] = []

    mutating func varint(_ field: Int, _ value: Int) {
        append(UInt64(field) << 3)
        append(UInt64(bitPattern: Int64(value)))
    }

    /// A nested message, string or byte sequence.
    mutating func message(_ field: Int, _ content: [UInt8]) {
        append(UInt64(field) << 3 | 2)
        append(UInt64(content.count))
        bytes += content
    }

    mutating func string(_ field: Int, _ text: String) { message(field, Array(text.utf8)) }

    mutating func float(_ field: Int, _ value: Float) {
        append(UInt64(field) << 3 | 5)
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 }
    }

    private mutating func append(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
