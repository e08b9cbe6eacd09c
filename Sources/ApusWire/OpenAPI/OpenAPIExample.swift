import ApusCore

/// The example request of a model.
enum OpenAPIExample {
    /// More elements are not shown.
    private static let elementCountMax = 4096

    /// Those that are known, else zeros; nil where JSON cannot carry an input or it is too large.
    static func inputs(of model: OpenAPIDocument.Model) -> [NamedTensor]? {
        let inputs = model.signature.inputs.filter { !$0.isOptional }
        let known = model.exampleInputs
        let made =
            known.isEmpty ? inputs.compactMap(zeros) : known
        guard known.isEmpty ? made.count == inputs.count : true,
            made.allSatisfy({
                $0.tensor.elementCount <= elementCountMax
                    && ($0.tensor.dataType == .string || $0.tensor.dataType.jsonElement != nil)
            })
        else { return nil }
        return made
    }

    /// One row of zeros, every free dimension 1.
    private static func zeros(_ input: TensorSpecification) -> NamedTensor? {
        let shape = input.shape.map { $0 < 0 ? 1 : $0 }
        guard let count = shape.checkedElementCount, count <= elementCountMax else { return nil }
        guard let width = input.dataType.byteCount else {
            let strings = [[UInt8]](repeating: [], count: count)
            return (try? Tensor(shape: shape, strings: strings)).map {
                NamedTensor(name: input.name, tensor: $0)
            }
        }
        let bytes = [UInt8](repeating: 0, count: count * width)
        let copy = try? bytes.withUnsafeBytes { try TensorBytes(copying: $0) }
        return copy.flatMap { try? Tensor(dataType: input.dataType, shape: shape, bytes: $0) }
            .map { NamedTensor(name: input.name, tensor: $0) }
    }

    /// The elements as JSON, separated by commas. Not-a-numbers and infinities become 0: the
    /// document is strict JSON.
    static func elements(of tensor: Tensor) -> String {
        if let strings = tensor.strings {
            return strings.map { text in
                var writer = JSONWriter()
                writer.string(String(decoding: text, as: UTF8.self))
                return String(decoding: writer.bytes, as: UTF8.self)
            }.joined(separator: ",")
        }
        func joined<Element: BitwiseCopyable>(
            _ type: Element.Type, _ text: (Element) -> String
        ) -> String { tensor.elements(as: type).map(text).joined(separator: ",") }
        return switch tensor.dataType {
        case .bool: joined(UInt8.self) { $0 == 0 ? "false" : "true" }
        case .float: joined(Float.self) { $0.isFinite ? "\($0)" : "0" }
        case .double: joined(Double.self) { $0.isFinite ? "\($0)" : "0" }
        case .int8: joined(Int8.self) { "\($0)" }
        case .int16: joined(Int16.self) { "\($0)" }
        case .int32: joined(Int32.self) { "\($0)" }
        case .int64: joined(Int64.self) { "\($0)" }
        case .uint8: joined(UInt8.self) { "\($0)" }
        case .uint16: joined(UInt16.self) { "\($0)" }
        case .uint32: joined(UInt32.self) { "\($0)" }
        case .uint64: joined(UInt64.self) { "\($0)" }
        default: ""
        }
    }
}
