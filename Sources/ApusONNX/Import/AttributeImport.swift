internal import ApusEngine
internal import CONNX

extension GraphImporter {
    /// Attributes by name. References to a function's attributes are replaced by what the caller
    /// gave, or left out where it gave nothing.
    func attributes(
        _ protos: [UnsafeMutablePointer<Onnx__AttributeProto>], _ scope: ImportScope, place: String
    ) throws(ONNXError) -> [String: Attribute] {
        var result: [String: Attribute] = [:]
        for proto in protos {
            let name = text(proto.pointee.name)
            let reference = text(proto.pointee.ref_attr_name)
            var value: Attribute?
            if reference.isEmpty {
                value = try attribute(
                    proto.pointee, scope, place: "\(place), attribute \"\(name)\"")
            } else {
                guard let outer = scope.attributes else {
                    throw .invalid(
                        place: place,
                        reason: "attribute \"\(name)\" refers to \"\(reference)\" of a function, "
                            + "but is in none")
                }
                value = outer[reference]
            }
            guard let value else { continue }
            guard result.updateValue(value, forKey: name) == nil else {
                throw .invalid(place: place, reason: "attribute \"\(name)\" is given twice")
            }
        }
        return result
    }

    private func attribute(
        _ proto: Onnx__AttributeProto, _ scope: ImportScope, place: String
    ) throws(ONNXError) -> Attribute {
        switch kind(of: proto) {
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT: return .float(proto.f)
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT: return .int(proto.i)
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING: return .string(proto.s.array)
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS:
            return .floats(Array(list(proto.floats, proto.n_floats)))
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS:
            return .ints(Array(list(proto.ints, proto.n_ints)))
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS:
            return .strings(list(proto.strings, proto.n_strings).map(\.array))
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR:
            guard let tensor = proto.t else { break }
            return .tensor(try tensors.tensor(tensor.pointee, place: place))
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSORS:
            return .tensors(
                try convert(proto.tensors, proto.n_tensors) { (tensor) throws(ONNXError) in
                    try self.tensors.tensor(tensor, place: place)
                })
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH:
            guard let graph = proto.g else { break }
            return .graph(
                try self.graph(graph.pointee, try scope.deeper(place: place), place: place))
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPHS:
            let inner = try scope.deeper(place: place)
            return .graphs(
                try convert(proto.graphs, proto.n_graphs) { (graph) throws(ONNXError) in
                    try self.graph(graph, inner, place: place)
                })
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSOR:
            guard let tensor = proto.sparse_tensor else { break }
            return .tensor(
                try SparseTensorImport.tensor(tensor.pointee, tensors, place: place))
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSORS:
            return .tensors(
                try convert(proto.sparse_tensors, proto.n_sparse_tensors) {
                    (tensor) throws(ONNXError) in
                    try SparseTensorImport.tensor(tensor, self.tensors, place: place)
                })
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO:
            guard let type = proto.tp else { break }
            return .type(try TypeImport.type(type.pointee, place: place))
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTOS:
            return .types(
                try convert(proto.type_protos, proto.n_type_protos) { (type) throws(ONNXError) in
                    try TypeImport.type(type, place: place)
                })
        default:
            throw .unsupported(place: place, reason: "attribute type \(proto.type) is not known")
        }
        throw .invalid(place: place, reason: "it has no value")
    }

    /// The oldest files do not say which field holds the value.
    private func kind(
        of proto: Onnx__AttributeProto
    ) -> Onnx__AttributeProto__AttributeType {
        if proto.type != 0 {
            return Onnx__AttributeProto__AttributeType(UInt32(truncatingIfNeeded: proto.type))
        }
        if proto.has_f != 0 { return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT }
        if proto.has_i != 0 { return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT }
        if proto.has_s != 0 { return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING }
        if proto.t != nil { return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR }
        if proto.g != nil { return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH }
        if proto.n_floats > 0 { return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS }
        if proto.n_strings > 0 { return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS }
        if proto.n_tensors > 0 { return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSORS }
        if proto.n_graphs > 0 { return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPHS }
        return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS
    }

    private func convert<Message, Result>(
        _ pointer: UnsafeMutablePointer<UnsafeMutablePointer<Message>?>?, _ count: Int,
        _ body: (Message) throws(ONNXError) -> Result
    ) throws(ONNXError) -> [Result] {
        var results: [Result] = []
        for message in messages(pointer, count) { results.append(try body(message.pointee)) }
        return results
    }
}
