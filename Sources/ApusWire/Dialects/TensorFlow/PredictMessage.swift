package import ApusCore

/// A `PredictRequest` as it came over gRPC.
///
/// - Source: TensorFlow Serving, `predict.proto`; our `tensorflow_serving.proto`.
package struct PredictMessage: Sendable {
    package var model = ModelSpecification()
    package var inputs: [NamedTensor] = []
    /// Names of the wanted outputs; empty = all.
    package var outputFilter: [String] = []

    /// Which version of which model a message means.
    package struct ModelSpecification: Sendable {
        package var name = ""
        package var version: Int64?
        package var label: String?
        package var signatureName = ""

        package init() {}

        fileprivate init(_ message: TensorBytes, _ range: Range<Int>) throws(WireError) {
            var reader = ProtobufReader(message, range)
            while let tag = try reader.nextTag() {
                switch (tag.field, tag.type) {
                case (1, .bytes): name = try reader.string()
                case (2, .bytes):
                    version = try Self.wrapped(message, try reader.bytes())
                    label = nil
                case (3, .bytes): signatureName = try reader.string()
                case (4, .bytes):
                    label = try reader.string()
                    version = nil
                default: try reader.skip(tag)
                }
            }
        }

        /// The value of an `Int64Value`.
        private static func wrapped(
            _ message: TensorBytes, _ range: Range<Int>
        ) throws(WireError) -> Int64 {
            var reader = ProtobufReader(message, range)
            var value: Int64 = 0
            while let tag = try reader.nextTag() {
                if tag == .init(field: 1, type: .varint) {
                    value = Int64(bitPattern: try reader.varint())
                } else {
                    try reader.skip(tag)
                }
            }
            return value
        }
    }

    /// - Parameter message: the tensors in `tensor_content` become views of it.
    package init(_ message: TensorBytes) throws(WireError) {
        var names = NameSet(role: .input)
        var reader = ProtobufReader(message, 0..<message.count)
        while let tag = try reader.nextTag() {
            switch (tag.field, tag.type) {
            case (1, .bytes): model = try ModelSpecification(message, try reader.bytes())
            case (2, .bytes):
                let input = try Self.entry(message, try reader.bytes())
                try names.insert(input.name, among: inputs.count)
                inputs.append(input)
            case (3, .bytes): outputFilter.append(try reader.string())
            default: try reader.skip(tag)
            }
        }
        try TensorFlowRequest.check(signatureName: model.signatureName)
    }

    private static func entry(
        _ message: TensorBytes, _ range: Range<Int>
    ) throws(WireError) -> NamedTensor {
        var name = ""
        var tensor: Range<Int>?
        var reader = ProtobufReader(message, range)
        while let tag = try reader.nextTag() {
            switch (tag.field, tag.type) {
            case (1, .bytes): name = try reader.string()
            case (2, .bytes): tensor = try reader.bytes()
            default: try reader.skip(tag)
            }
        }
        let fields = try TensorFields(message, tensor ?? range.upperBound..<range.upperBound, name)
        return NamedTensor(name: name, tensor: try fields.tensor())
    }
}

/// The fields of a `TensorProto`.
private struct TensorFields {
    /// Bytes of a tensor whose list is shorter than its shape.
    private static let repeatedByteCountMax = 16 << 20

    private let message: TensorBytes
    private let name: String
    private var dataType: DataType?
    private var typeNumber: UInt64 = 0
    private var shape: Shape = []
    private var content: Range<Int>?
    /// Elements of a list, as bits.
    private var elements: [UInt64] = []
    private var strings: [[UInt8]] = []
    /// The field of the elements.
    private var elementField: UInt32?

    init(_ message: TensorBytes, _ range: Range<Int>, _ name: String) throws(WireError) {
        self.message = message
        self.name = name
        var reader = ProtobufReader(message, range)
        while let tag = try reader.nextTag() {
            switch (tag.field, tag.type) {
            case (1, .varint):
                typeNumber = try reader.varint()
                dataType = DataType.allCases.first {
                    $0.tensorFlowType.map { UInt64($0.number) } == typeNumber
                }
            case (2, .bytes): try readShape(try reader.bytes())
            case (4, .bytes):
                let range = try reader.bytes()
                if !range.isEmpty { content = range }
            case (8, .bytes): try append(message.slice(try reader.bytes()))
            case (5...17, _): try readElements(tag, &reader)
            default: try reader.skip(tag)
            }
        }
    }

    private mutating func readShape(_ range: Range<Int>) throws(WireError) {
        shape = []
        var reader = ProtobufReader(message, range)
        while let tag = try reader.nextTag() {
            switch (tag.field, tag.type) {
            case (2, .bytes):
                var size: Int64 = 0
                var part = ProtobufReader(message, try reader.bytes())
                while let tag = try part.nextTag() {
                    if tag == .init(field: 1, type: .varint) {
                        size = Int64(bitPattern: try part.varint())
                    } else {
                        try part.skip(tag)
                    }
                }
                guard shape.count < InferenceRequestDecoder.rankMax else {
                    throw .invalidShape(input: name, shape: "of too many dimensions")
                }
                shape.append(Int(size))
            case (3, .varint):
                guard try reader.varint() == 0 else {
                    throw .invalidShape(input: name, shape: "of unknown rank")
                }
            default: try reader.skip(tag)
            }
        }
    }

    private mutating func append(_ bytes: TensorBytes) throws(WireError) {
        strings.append(bytes.withUnsafeBytes { [UInt8]($0) })
    }

    /// Elements of a list, packed or one by one.
    private mutating func readElements(
        _ tag: ProtobufReader.Tag, _ reader: inout ProtobufReader
    ) throws(WireError) {
        let width: ProtobufReader.WireType =
            tag.field == 5 ? .fixed32 : tag.field == 6 ? .fixed64 : .varint
        guard tag.type == width || tag.type == .bytes else { return try reader.skip(tag) }
        if let elementField, elementField != tag.field {
            throw .request("input \"\(name)\" has elements in lists of several types")
        }
        elementField = tag.field
        if tag.type == .bytes {
            var packed = ProtobufReader(message, try reader.bytes())
            while packed.isInside { try readElement(width, &packed) }
        } else {
            try readElement(width, &reader)
        }
    }

    private mutating func readElement(
        _ width: ProtobufReader.WireType, _ reader: inout ProtobufReader
    ) throws(WireError) {
        switch width {
        case .fixed32: elements.append(UInt64(try reader.fixed32()))
        case .fixed64: elements.append(try reader.fixed64())
        default: elements.append(try reader.varint())
        }
    }

    // MARK: Tensor

    func tensor() throws(WireError) -> Tensor {
        guard let dataType else {
            throw .request(
                "input \"\(name)\" has dtype \(typeNumber), which this server does not know")
        }
        let count = try InputMembers.elementCount(of: shape, input: name)
        if dataType == .string { return try stringTensor(count) }
        guard let width = dataType.byteCount else {
            throw .unsupported("input \"\(name)\" of type \(dataType)")
        }
        if let content {
            return try BinaryTensor.tensor(
                message.slice(content), input: name, dataType: dataType, shape: shape, count: count)
        }
        guard elements.isEmpty || elementField == dataType.tensorFlowField else {
            throw .request("input \"\(name)\" has elements in the list of another type")
        }
        guard elements.count <= count, !elements.isEmpty || count == 0 else {
            throw .elementCount(
                input: name, found: elements.count, expected: count, shape: shape)
        }
        // A few bytes may stand for many elements, but not for a memory full of them.
        guard elements.count == count || count * width <= Self.repeatedByteCountMax else {
            throw .outOfMemory(byteCount: count * width)
        }
        do {
            let memory = try AlignedMemory(byteCount: count * width)
            for index in 0..<count {
                let value = elements[min(index, elements.count - 1)]
                try store(value, index, dataType, width, to: memory.pointer + index * width)
            }
            return try Tensor(
                dataType: dataType, shape: shape,
                bytes: TensorBytes(
                    pointer: UnsafeRawPointer(memory.pointer), count: count * width,
                    owner: memory))
        } catch let error as WireError {
            throw error
        } catch {
            throw .outOfMemory(byteCount: count * width)
        }
    }

    private func stringTensor(_ count: Int) throws(WireError) -> Tensor {
        guard strings.count <= count, !strings.isEmpty || count == 0 else {
            throw .elementCount(input: name, found: strings.count, expected: count, shape: shape)
        }
        guard strings.count == count || count <= Self.repeatedByteCountMax >> 4 else {
            throw .outOfMemory(byteCount: count)
        }
        let all = (0..<count).map { strings[min($0, strings.count - 1)] }
        do { return try Tensor(shape: shape, strings: all) } catch {
            throw .invalidShape(input: name, shape: "\(shape)")
        }
    }

    private func store(
        _ bits: UInt64, _ index: Int, _ dataType: DataType, _ width: Int,
        to target: UnsafeMutableRawPointer
    ) throws(WireError) {
        let signed = Int64(bitPattern: bits)
        let fits: Bool =
            switch dataType {
            case .int8: Int8(exactly: signed) != nil
            case .int16: Int16(exactly: signed) != nil
            case .int32: Int32(exactly: signed) != nil
            case .uint8: UInt8(exactly: signed) != nil
            case .uint16, .float16, .bfloat16: UInt16(exactly: signed) != nil
            case .uint32: UInt32(exactly: bits) != nil
            case .bool: bits <= 1
            default: true
            }
        guard fits else {
            throw .contentsOutOfRange(
                input: name, index: index, found: "\(signed)", dataType: dataType)
        }
        switch width {
        case 1: target.storeBytes(of: UInt8(truncatingIfNeeded: bits), as: UInt8.self)
        case 2: target.storeBytes(of: UInt16(truncatingIfNeeded: bits), as: UInt16.self)
        case 4: target.storeBytes(of: UInt32(truncatingIfNeeded: bits), as: UInt32.self)
        default: target.storeBytes(of: bits, as: UInt64.self)
        }
    }
}

extension DataType {
    /// The field of `TensorProto` with the list of this type.
    fileprivate var tensorFlowField: UInt32? {
        switch self {
        case .float: 5
        case .double: 6
        case .int32, .uint8, .int16, .int8, .uint16: 7
        case .int64: 10
        case .bool: 11
        case .float16, .bfloat16: 13
        case .uint32: 16
        case .uint64: 17
        default: nil
        }
    }
}
