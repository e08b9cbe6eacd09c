import ApusCore

/// Removes nodes that hand their input on: Identity, Dropout outside of training, a Cast of what was
/// just cast to the same type, a Transpose that moves nothing. Two Transposes in a row become one.
struct EliminateIdentities: GraphPass {
    func apply(to graph: inout Graph, _ session: RunSession) throws(EngineError) {
        let uses = GraphUses(graph)
        let pinned = graph.pinnedNames()
        var renaming = Renaming()
        var nodes: [Node] = []
        for node in graph.nodes {
            guard let output = node.outputs.first, !pinned.contains(output) else {
                nodes.append(node)
                continue
            }
            switch try replacement(of: node, uses, graph) {
            case .keep: nodes.append(node)
            case .node(let new): nodes.append(new)
            case .value(let name): renaming.rename(output, to: name)
            }
        }
        graph.nodes = nodes.map { renaming.applied(to: $0) }
    }

    private enum Replacement {
        case keep
        case node(Node)
        case value(String)
    }

    private func replacement(
        of node: Node, _ uses: GraphUses, _ graph: Graph
    ) throws(EngineError) -> Replacement {
        guard node.domain.isEmpty, let input = node.inputs.first, !input.isEmpty else {
            return .keep
        }
        let before = uses.maker[input].map { graph.nodes[$0] }
        switch node.opType {
        case "Identity": return .value(input)
        case "Dropout": return isIdle(node, uses, graph) ? .value(input) : .keep
        case "Cast":
            guard let before, before.opType == "Cast", before.domain.isEmpty,
                let type = try NodeReader(node).dataTypeIfNumber("to"),
                try NodeReader(before).dataTypeIfNumber("to") == type
            else { return .keep }
            return .value(input)
        case "Transpose": return try transposition(node, after: before)
        default: return .keep
        }
    }

    /// Whether a Dropout only hands its input on: not in training, and nobody reads the mask.
    private func isIdle(_ node: Node, _ uses: GraphUses, _ graph: Graph) -> Bool {
        guard node.outputs.dropFirst().allSatisfy({ $0.isEmpty || uses.isUnread($0) }) else {
            return false
        }
        guard node.inputs.count > 2, !node.inputs[2].isEmpty else { return true }
        return graph.initializers[node.inputs[2]]?.integers == [0]
    }

    private func transposition(
        _ node: Node, after before: Node?
    ) throws(EngineError) -> Replacement {
        guard let order = try NodeReader(node).ints("perm") else { return .keep }
        let identity = Array(order.indices)
        if order == identity { return .value(node.inputs[0]) }
        guard let before, before.opType == "Transpose", before.domain.isEmpty,
            let first = try NodeReader(before).ints("perm"), first.sorted() == identity,
            order.sorted() == identity
        else { return .keep }
        let joined = order.map { first[$0] }
        if joined == identity { return .value(before.inputs[0]) }
        var new = node
        new.inputs = before.inputs
        new.attributes["perm"] = .ints(joined.map { Int64($0) })
        return .node(new)
    }
}

/// New names for values that a pass removed.
struct Renaming {
    private var names: [String: String] = [:]

    mutating func rename(_ name: String, to new: String) { names[name] = new }

    mutating func applied(to node: Node) -> Node {
        guard node.inputs.contains(where: { names[$0] != nil }) else { return node }
        var result = node
        for index in result.inputs.indices { result.inputs[index] = final(result.inputs[index]) }
        return result
    }

    /// The last of the names that follow a name. Those on the way are led to it at once, so that many
    /// readers of a long chain do not walk it again and again.
    private mutating func final(_ name: String) -> String {
        var chain: [String] = []
        var last = name
        // A cycle of names would be a cycle of nodes, which is refused later.
        while let next = names[last], chain.count <= names.count {
            chain.append(last)
            last = next
        }
        for name in chain where name != last { names[name] = last }
        return last
    }
}

extension Graph {
    /// Values that must keep their names: outputs, and what sub-graphs read.
    func pinnedNames() -> Set<String> {
        Set(outputs.map(\.name)).union(nodes.flatMap { $0.freeNamesOfBodies() })
    }
}

extension NodeReader {
    /// A data type given by its ONNX number; nil where old opsets give a name.
    fileprivate func dataTypeIfNumber(_ name: String) throws(EngineError) -> DataType? {
        if case .int = node.attributes[name] { return try dataType(name) }
        return nil
    }
}
