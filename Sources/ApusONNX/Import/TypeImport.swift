internal import ApusCore
internal import ApusEngine
internal import CONNX

/// Reads the types and shapes of a graph's values.
enum TypeImport {
    /// What a TypeProto says; `type` is nil where it says nothing.
    struct Described {
        var type: ValueType?
        var shape: Shape?
        var dimensionNames: [String?]?
    }

    /// The type of a ValueInfoProto. A missing type is a float tensor of any rank: only inner values
    /// lack one, and the engine finds theirs itself.
    static func value(
        _ proto: Onnx__ValueInfoProto, name: String, place: String
    ) throws(ONNXError) -> GraphValue {
        let label = "\(place): value \"\(text(proto.name))\""
        guard let type = proto.type else {
            return GraphValue(name: name, type: .tensor(.float), shape: nil)
        }
        let described = try describe(type.pointee, label)
        return GraphValue(
            name: name, type: described.type ?? .tensor(.float), shape: described.shape,
            dimensionNames: described.dimensionNames)
    }

    /// The type of an attribute.
    static func type(
        _ proto: Onnx__TypeProto, place: String
    ) throws(ONNXError) -> ValueType {
        guard let type = try describe(proto, place).type else {
            throw .invalid(place: place, reason: "the type is empty")
        }
        return type
    }

    private static func describe(
        _ proto: Onnx__TypeProto, _ label: String
    ) throws(ONNXError) -> Described {
        switch proto.value_case {
        case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE:
            guard let tensor = proto.tensor_type?.pointee else { return Described() }
            var described = Described(type: .tensor(try dataType(tensor.elem_type, label)))
            if let shape = tensor.shape { try read(shape.pointee, into: &described, label) }
            return described
        case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE:
            let element = try element(proto.sequence_type?.pointee.elem_type, label)
            return Described(type: .sequence(element))
        case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE:
            let element = try element(proto.optional_type?.pointee.elem_type, label)
            return Described(type: .optional(element))
        case ONNX__TYPE_PROTO__VALUE_MAP_TYPE:
            guard let map = proto.map_type?.pointee else { return Described() }
            let key = try dataType(map.key_type, label)
            return Described(type: .map(key: key, value: try element(map.value_type, label)))
        case ONNX__TYPE_PROTO__VALUE__NOT_SET: return Described()
        default:
            throw .unsupported(place: label, reason: "sparse and opaque types are not supported")
        }
    }

    private static func element(
        _ proto: UnsafeMutablePointer<Onnx__TypeProto>?, _ label: String
    ) throws(ONNXError) -> ValueType {
        guard let proto, let type = try describe(proto.pointee, label).type else {
            throw .invalid(place: label, reason: "the type of its elements is missing")
        }
        return type
    }

    private static func dataType(_ number: Int32, _ label: String) throws(ONNXError) -> DataType {
        guard let type = DataType(rawValue: number) else {
            throw .unsupported(place: label, reason: "data type \(number) is not known")
        }
        return type
    }

    private static func read(
        _ proto: Onnx__TensorShapeProto, into described: inout Described, _ label: String
    ) throws(ONNXError) {
        var shape: Shape = []
        var names: [String?] = []
        for dimension in messages(proto.dim, proto.n_dim) {
            guard shape.count < 64 else {
                throw .limitExceeded(place: label, reason: "it has over 64 dimensions")
            }
            var length = -1
            var name: String?
            switch dimension.pointee.value_case {
            case ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE:
                length = max(Int(dimension.pointee.dim_value), -1)
            case ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM:
                let symbol = text(dimension.pointee.dim_param)
                name = symbol.isEmpty ? nil : symbol
            default: break
            }
            shape.append(length)
            names.append(name)
        }
        described.shape = shape
        described.dimensionNames = names
    }
}
