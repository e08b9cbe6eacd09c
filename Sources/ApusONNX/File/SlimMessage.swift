internal import ApusCore
internal import CONNX

/// A message without the data of its tensors, small enough to unpack.
///
/// `WeightScanner` makes it: every field that our `onnx.proto` knows is copied, but in a
/// TensorProto the data stay in the file, and field `span_index` says which entry of `tensorSpans`
/// is the whole tensor.
struct SlimMessage {
    var bytes: [UInt8] = []
    /// Where each TensorProto is in the file.
    var tensorSpans: [Range<Int>] = []
}

/// Walks a file's messages by their protobuf-c descriptors and copies all but tensor data.
///
/// Checks everything that protobuf-c does not: nesting, counts, wire types, and that no message
/// field that may occur once occurs twice (protobuf-c would merge them).
struct WeightScanner {
    /// Limits that no real model meets, so that a small file cannot claim much memory.
    struct Limits {
        /// Messages in messages; a graph in a node's attribute takes three levels.
        var depthMax = 150
        var messageCountMax = 2_000_000
        /// Strings and byte sequences.
        var textCountMax = 20_000_000
        /// Lengths are written in four bytes of seven bits.
        var byteCountMax = (1 << 28) - 1
    }

    private let file: FileBytes
    private let limits: Limits
    private var slim = SlimMessage()
    private var messageCount = 0
    private var textCount = 0

    /// TensorProto's data fields, which stay in the file, and our own field, which a file must not
    /// bring along.
    private static let dataFields: Set<UInt32> = [4, 5, 6, 7, 9, 10, 11, 100_000]

    static func slimMessage(
        _ root: connx_root, of file: FileBytes, limits: Limits = Limits()
    ) throws(ONNXError) -> SlimMessage {
        guard let descriptor = connx_descriptor(root) else {
            throw .invalid(place: file.name, reason: "unknown kind of message")
        }
        var scanner = WeightScanner(file: file, limits: limits)
        try scanner.copy(0..<file.count, descriptor, depth: 0, path: "")
        return scanner.slim
    }

    private init(file: FileBytes, limits: Limits) {
        self.file = file
        self.limits = limits
    }

    private mutating func copy(
        _ range: Range<Int>, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, depth: Int,
        path: String
    ) throws(ONNXError) {
        guard depth <= limits.depthMax else {
            throw malformed(
                range.lowerBound, path, "messages are nested over \(limits.depthMax) deep")
        }
        messageCount += 1
        guard messageCount <= limits.messageCountMax else {
            throw .limitExceeded(
                place: file.name, reason: "it has over \(limits.messageCountMax) messages")
        }
        let isTensor = connx_is_tensor(descriptor) != 0
        var reader = WireReader(file, range, place: path)
        var kept = range.lowerBound..<range.lowerBound
        var seen: UInt64 = 0
        while let field = try reader.next() {
            guard let known = connx_field(descriptor, field.number),
                !(isTensor && Self.dataFields.contains(field.number))
            else { continue }
            try check(field, known.pointee, path)
            guard let message = connx_message_of(known), case .bytes(let content) = field.content
            else {
                if kept.upperBound == field.range.lowerBound {
                    kept = kept.lowerBound..<field.range.upperBound
                } else {
                    try append(kept)
                    kept = field.range
                }
                continue
            }
            if known.pointee.label != PROTOBUF_C_LABEL_REPEATED {
                let bit = UInt64(1) << UInt64(connx_field_position(descriptor, known) % 64)
                guard seen & bit == 0 else {
                    throw malformed(
                        field.range.lowerBound, name(path, known.pointee), "occurs twice")
                }
                seen |= bit
            }
            try append(kept)
            kept = field.range.upperBound..<field.range.upperBound
            try appendMessage(
                number: field.number, content, message, depth: depth,
                path: name(path, known.pointee))
        }
        try append(kept)
        if isTensor {
            appendVarint(100_000 << 3)
            appendVarint(UInt64(slim.tensorSpans.count))
            slim.tensorSpans.append(range)
        }
    }

    private mutating func appendMessage(
        number: UInt32, _ content: Range<Int>,
        _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, depth: Int, path: String
    ) throws(ONNXError) {
        appendVarint(UInt64(number) << 3 | 2)
        let lengthPosition = slim.bytes.count
        slim.bytes += [0, 0, 0, 0]
        try copy(content, descriptor, depth: depth + 1, path: path)
        let length = slim.bytes.count - lengthPosition - 4
        try checkSize()
        for group in 0..<4 {
            let bits = UInt8(length >> (7 * group) & 0x7f)
            slim.bytes[lengthPosition + group] = group < 3 ? bits | 0x80 : bits
        }
    }

    private mutating func append(_ range: Range<Int>) throws(ONNXError) {
        guard !range.isEmpty else { return }
        try checkSize(adding: range.count)
        slim.bytes += try file.array(range)
    }

    private mutating func appendVarint(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            slim.bytes.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        slim.bytes.append(UInt8(rest))
    }

    private func checkSize(adding byteCount: Int = 0) throws(ONNXError) {
        guard slim.bytes.count + byteCount <= limits.byteCountMax else {
            throw .limitExceeded(
                place: file.name,
                reason: "it has over \(limits.byteCountMax >> 20) MiB besides its tensors")
        }
    }

    private mutating func check(
        _ field: WireReader.Field, _ known: ProtobufCFieldDescriptor, _ path: String
    ) throws(ONNXError) {
        let expected: UInt64
        switch known.type {
        case PROTOBUF_C_TYPE_FLOAT, PROTOBUF_C_TYPE_FIXED32, PROTOBUF_C_TYPE_SFIXED32: expected = 5
        case PROTOBUF_C_TYPE_DOUBLE, PROTOBUF_C_TYPE_FIXED64, PROTOBUF_C_TYPE_SFIXED64: expected = 1
        case PROTOBUF_C_TYPE_STRING, PROTOBUF_C_TYPE_BYTES:
            expected = 2
            textCount += 1
            guard textCount <= limits.textCountMax else {
                throw .limitExceeded(
                    place: file.name, reason: "it has over \(limits.textCountMax) strings")
            }
        case PROTOBUF_C_TYPE_MESSAGE: expected = 2
        default: expected = 0
        }
        let found = field.content.wireType
        let isPacked = found == 2 && known.label == PROTOBUF_C_LABEL_REPEATED
        guard found == expected || isPacked else {
            throw malformed(
                field.range.lowerBound, name(path, known),
                "has wire type \(found), expected \(expected)")
        }
    }

    private func name(_ path: String, _ field: ProtobufCFieldDescriptor) -> String {
        let name = String(cString: field.name)
        return path.isEmpty ? name : "\(path).\(name)"
    }

    private func malformed(_ offset: Int, _ field: String, _ reason: String) -> ONNXError {
        .malformed(file: file.name, offset: offset, field: field, reason: reason)
    }
}
