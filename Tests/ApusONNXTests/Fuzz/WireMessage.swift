import ApusTestSupport

@testable import ApusONNX

/// A protobuf message as a list of its fields, to be changed and written again, with all lengths
/// right. Knows no schema: what a field is follows from its number.
struct WireMessage {
    enum Content {
        case varint(Int)
        case fixed32(UInt32)
        case fixed64(UInt64)
        case bytes([UInt8])
    }

    struct Field {
        var number: Int
        var content: Content
    }

    var fields: [Field] = []

    init() {}

    /// What follows a damage is left out.
    init(_ bytes: [UInt8]) {
        var reader = WireReader(FileBytes(bytes, name: "message"), 0..<bytes.count)
        while let field = try? reader.next() {
            let content: Content =
                switch field.content {
                case .varint(let value): .varint(Int(truncatingIfNeeded: value))
                case .fixed32(let bits): .fixed32(bits)
                case .fixed64(let bits): .fixed64(bits)
                case .bytes(let range): .bytes(Array(bytes[range]))
                }
            fields.append(Field(number: Int(field.number), content: content))
        }
    }

    var bytes: [UInt8] {
        var result: [UInt8] = []
        for field in fields {
            let tag = UInt64(field.number) << 3
            switch field.content {
            case .varint(let value):
                Self.append(tag, to: &result)
                Self.append(UInt64(bitPattern: Int64(value)), to: &result)
            case .fixed64(let bits):
                Self.append(tag | 1, to: &result)
                result += littleEndian([bits])
            case .bytes(let bytes):
                Self.append(tag | 2, to: &result)
                Self.append(UInt64(bytes.count), to: &result)
                result += bytes
            case .fixed32(let bits):
                Self.append(tag | 5, to: &result)
                result += littleEndian([bits])
            }
        }
        return result
    }

    private static func append(_ number: UInt64, to bytes: inout [UInt8]) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    // MARK: Fields by number

    func indices(of number: Int) -> [Int] { fields.indices.filter { fields[$0].number == number } }

    func contents(of number: Int) -> [[UInt8]] {
        indices(of: number).compactMap {
            if case .bytes(let bytes) = fields[$0].content { bytes } else { nil }
        }
    }

    func numbers(of number: Int) -> [Int] {
        indices(of: number).compactMap {
            if case .varint(let value) = fields[$0].content { value } else { nil }
        }
    }

    mutating func remove(_ number: Int) { fields.removeAll { $0.number == number } }

    mutating func append(_ number: Int, _ content: Content) {
        fields.append(Field(number: number, content: content))
    }

    /// Sets a field that occurs at most once.
    mutating func set(_ number: Int, _ content: Content) {
        remove(number)
        append(number, content)
    }

    /// Changes one of the messages in fields of a number, if there is any.
    ///
    /// - Returns: whether there was one.
    @discardableResult
    mutating func changeAny(
        _ number: Int, _ random: inout SeededRandom,
        _ change: (inout WireMessage, inout SeededRandom) -> Void
    ) -> Bool {
        guard let index = indices(of: number).randomElement(using: &random),
            case .bytes(let bytes) = fields[index].content
        else { return false }
        var message = WireMessage(bytes)
        change(&message, &random)
        fields[index].content = .bytes(message.bytes)
        return true
    }
}

/// Numbers of the fields that mutations look for.
///
/// - Source: `onnx.proto`.
enum ONNXField {
    enum Model { static let (graph, opset, functions) = (7, 8, 25) }
    enum Graph { static let (node, initializer, input, output) = (1, 5, 11, 12) }
    enum Node { static let (input, output, opType, attribute, domain) = (1, 2, 4, 5, 7) }
    enum Attribute {
        static let (name, float, int, text, tensor, graph) = (1, 2, 3, 4, 5, 6)
        static let (floats, ints, texts) = (7, 8, 9)
    }
    enum Tensor {
        static let (dimensions, dataType, name, raw) = (1, 2, 8, 9)
        static let strings = 6
        /// Every field that holds elements.
        static let elements = [4, 5, 6, 7, 9, 10, 11]
    }
    enum Value { static let (name, type) = (1, 2) }
    enum ValueType { static let tensor = 1 }
    enum TensorType { static let (elementType, shape) = (1, 2) }
    enum Dimension { static let (length, name) = (1, 2) }
}
