internal import ApusEngine
internal import CONNX

/// The functions that a model defines, by domain, name and overload.
struct FunctionTable {
    struct Function {
        let proto: UnsafeMutablePointer<Onnx__FunctionProto>
        let opsetVersions: [String: Int]
    }

    private struct Key: Hashable {
        let domain: String
        let name: String
        let overload: String
    }
    private var functions: [Key: Function] = [:]

    init(_ model: Onnx__ModelProto, place: String) throws(ONNXError) {
        for proto in messages(model.functions, model.n_functions) {
            let function = proto.pointee
            let key = Key(
                domain: OpsetImports.domain(text(function.domain)), name: text(function.name),
                overload: text(function.overload))
            let label = "\(place): function \(key.name)"
            guard !key.name.isEmpty else {
                throw .invalid(place: place, reason: "a function has no name")
            }
            let versions = try OpsetImports.versions(
                messages(function.opset_import, function.n_opset_import), place: label)
            let entry = Function(proto: proto, opsetVersions: versions)
            guard functions.updateValue(entry, forKey: key) == nil else {
                throw .invalid(place: label, reason: "it is there twice")
            }
        }
    }

    func function(for node: Node, overload: String) -> Function? {
        functions.isEmpty
            ? nil
            : functions[Key(domain: node.domain, name: node.opType, overload: overload)]
    }
}
