internal import ApusCore
internal import ApusEngine
internal import CONNX

/// Turns GraphProtos into engine graphs: names and attributes resolved, functions of the model in
/// place of their nodes, Constant nodes as initialisers.
final class GraphImporter {
    let tensors: TensorReader
    private let functions: FunctionTable
    /// Whether PyTorch wrote the model: where the standard leaves room, it means what PyTorch does.
    private let isOfPyTorch: Bool
    /// Nodes made so far; functions that call functions can multiply them.
    private var nodeCount = 0
    private var functionCallCount = 0

    /// Names of all values of the model and its sub-graphs.
    private var usedNames = Set<String>()

    private static let nodeCountMax = 1_000_000

    init(tensors: TensorReader, functions: FunctionTable, isOfPyTorch: Bool = false) {
        self.tensors = tensors
        self.functions = functions
        self.isOfPyTorch = isOfPyTorch
    }

    func graph(
        _ proto: Onnx__GraphProto, _ outer: ImportScope, place: String
    ) throws(ONNXError) -> Graph {
        let scope = local(proto, outer)
        var initializers = try self.initializers(proto, scope, place: place)
        var nodes: [Node] = []
        for node in messages(proto.node, proto.n_node) {
            try append(node.pointee, scope, &nodes, &initializers, place: place)
        }
        let inputs = try values(proto.input, proto.n_input, scope, place: place)
            .filter { initializers[$0.name] == nil }
        let outputs = try values(proto.output, proto.n_output, scope, place: place)
        try check(inputs, role: "input", place: place)
        return Graph(
            name: text(proto.name), inputs: inputs, outputs: outputs, initializers: initializers,
            nodes: nodes)
    }

    /// The scope inside a graph. A sub-graph's own values get other names where theirs are taken:
    /// two branches may use the same ones, and what is kept per constant goes by name.
    private func local(_ proto: Onnx__GraphProto, _ outer: ImportScope) -> ImportScope {
        var own = messages(proto.input, proto.n_input).map { text($0.pointee.name) }
        own += messages(proto.initializer, proto.n_initializer).map { text($0.pointee.name) }
        own += messages(proto.sparse_initializer, proto.n_sparse_initializer)
            .map { text($0.pointee.values?.pointee.name) }
        for node in messages(proto.node, proto.n_node) {
            own += texts(node.pointee.output, node.pointee.n_output)
        }
        var scope = outer
        var seen: Set = [""]
        for name in own where seen.insert(name).inserted {
            var unique = outer.depth == 0 ? outer.name(name) : outer.prefix + name
            if !usedNames.insert(unique).inserted {
                unique += "@\(usedNames.count)"
                usedNames.insert(unique)
            }
            if unique != outer.name(name) { scope.names[name] = unique }
        }
        return scope
    }

    private func initializers(
        _ proto: Onnx__GraphProto, _ scope: ImportScope, place: String
    ) throws(ONNXError) -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        for tensor in messages(proto.initializer, proto.n_initializer) {
            let name = scope.name(text(tensor.pointee.name))
            let value = try tensors.tensor(tensor.pointee, place: place)
            try add(name, value, to: &result, place: place)
        }
        for sparse in messages(proto.sparse_initializer, proto.n_sparse_initializer) {
            let name = scope.name(text(sparse.pointee.values?.pointee.name))
            let value = try SparseTensorImport.tensor(sparse.pointee, tensors, place: place)
            try add(name, value, to: &result, place: place)
        }
        return result
    }

    private func add(
        _ name: String, _ value: Tensor, to initializers: inout [String: Tensor], place: String
    ) throws(ONNXError) {
        guard !name.isEmpty else {
            throw .invalid(place: place, reason: "an initialiser has no name")
        }
        guard initializers.updateValue(value, forKey: name) == nil else {
            throw .invalid(place: place, reason: "initialiser \"\(name)\" is there twice")
        }
    }

    private func values(
        _ pointer: UnsafeMutablePointer<UnsafeMutablePointer<Onnx__ValueInfoProto>?>?,
        _ count: Int, _ scope: ImportScope, place: String
    ) throws(ONNXError) -> [GraphValue] {
        var result: [GraphValue] = []
        for proto in messages(pointer, count) {
            let name = scope.name(text(proto.pointee.name))
            result.append(try TypeImport.value(proto.pointee, name: name, place: place))
        }
        return result
    }

    private func check(
        _ values: [GraphValue], role: String, place: String
    ) throws(ONNXError) {
        var seen = Set<String>()
        for value in values where !seen.insert(value.name).inserted {
            throw .invalid(place: place, reason: "\(role) \"\(value.name)\" is there twice")
        }
    }

    // MARK: Nodes

    /// Appends what a node stands for.
    func append(
        _ proto: Onnx__NodeProto, _ scope: ImportScope, _ nodes: inout [Node],
        _ initializers: inout [String: Tensor], place: String
    ) throws(ONNXError) {
        nodeCount += 1
        guard nodeCount <= Self.nodeCountMax else {
            throw .limitExceeded(place: place, reason: "it has over \(Self.nodeCountMax) nodes")
        }
        let node = try self.node(proto, scope, place: place)
        if let function = functions.function(for: node, overload: text(proto.overload)) {
            try expand(function, node, scope, &nodes, &initializers, place: place)
        } else if let constant = try constant(node, place: place) {
            try add(node.outputs[0], constant, to: &initializers, place: place)
        } else {
            guard node.opsetVersion > 0 else {
                throw .invalid(
                    place: "\(place): node \(node.label)",
                    reason: "the model does not import its domain \"\(node.domain)\"")
            }
            nodes.append(node)
        }
    }

    private func node(
        _ proto: Onnx__NodeProto, _ scope: ImportScope, place: String
    ) throws(ONNXError) -> Node {
        let domain = OpsetImports.domain(text(proto.domain))
        var node = Node(
            name: scope.prefix + text(proto.name), opType: text(proto.op_type), domain: domain,
            opsetVersion: scope.opsetVersions[domain] ?? 0,
            inputs: texts(proto.input, proto.n_input).map(scope.name),
            outputs: texts(proto.output, proto.n_output).map(scope.name), attributes: [:])
        node.attributes = try attributes(
            messages(proto.attribute, proto.n_attribute), scope,
            place: "\(place): node \(node.label)")
        if isOfPyTorch, node.opType == "Resize", node.domain.isEmpty {
            node.attributes[Node.alignsByOutputAttribute] = .int(1)
        }
        return node
    }

    /// The value of a Constant node.
    private func constant(_ node: Node, place: String) throws(ONNXError) -> Tensor? {
        guard node.opType == "Constant", node.domain.isEmpty, node.outputs.count == 1,
            !node.outputs[0].isEmpty, node.attributes.count == 1,
            let attribute = node.attributes.first?.value
        else { return nil }
        do {
            switch attribute {
            case .tensor(let tensor): return tensor
            case .float(let value): return try Tensor(.float, [], [value])
            case .floats(let values): return try Tensor(.float, [values.count], values)
            case .int(let value): return try Tensor(.int64, [], [value])
            case .ints(let values): return try Tensor(.int64, [values.count], values)
            case .string(let value): return try Tensor(shape: [], strings: [value])
            case .strings(let values): return try Tensor(shape: [values.count], strings: values)
            default: return nil
            }
        } catch {
            throw .invalid(place: "\(place): node \(node.label)", reason: "\(error)")
        }
    }

    /// Appends a function's body in place of a node.
    private func expand(
        _ function: FunctionTable.Function, _ node: Node, _ scope: ImportScope,
        _ nodes: inout [Node], _ initializers: inout [String: Tensor], place: String
    ) throws(ONNXError) {
        let proto = function.proto.pointee
        let label = "\(place): function \(node.opType)"
        functionCallCount += 1
        var inner = try scope.deeper(place: label)
        inner = ImportScope(
            opsetVersions: function.opsetVersions,
            prefix: "\(node.opType)#\(functionCallCount)/", attributes: [:], depth: inner.depth)
        var attributes = try self.attributes(
            messages(proto.attribute_proto, proto.n_attribute_proto), inner, place: label)
        attributes.merge(node.attributes) { _, given in given }
        inner.attributes = attributes
        let inputs = texts(proto.input, proto.n_input)
        let outputs = texts(proto.output, proto.n_output)
        guard node.inputs.count <= inputs.count, node.outputs.count <= outputs.count else {
            throw .invalid(
                place: label,
                reason: "it is called with \(node.inputs.count) inputs and \(node.outputs.count) "
                    + "outputs, but has \(inputs.count) and \(outputs.count)")
        }
        for (index, name) in inputs.enumerated() {
            inner.names[name] = index < node.inputs.count ? node.inputs[index] : ""
        }
        var passed: [(from: String, to: String)] = []
        for (name, outer) in zip(outputs, node.outputs) where !outer.isEmpty {
            if let known = inner.names[name] {
                passed.append((known, outer))
            } else {
                inner.names[name] = outer
            }
        }
        for child in messages(proto.node, proto.n_node) {
            try append(child.pointee, inner, &nodes, &initializers, place: label)
        }
        for pair in passed {
            nodes.append(
                Node(
                    name: "\(inner.prefix)\(pair.to)", opType: "Identity", domain: "",
                    opsetVersion: function.opsetVersions[""] ?? 13, inputs: [pair.from],
                    outputs: [pair.to], attributes: [:]))
        }
    }
}
