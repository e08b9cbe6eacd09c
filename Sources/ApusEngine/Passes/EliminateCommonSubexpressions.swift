import ApusCore

/// Nodes that compute the same function of the same values become one; so do small equal constants.
struct EliminateCommonSubexpressions: GraphPass {
    /// Largest constant that is compared, in bytes, and most numbers in an attribute.
    private static let constantByteCountMax = 256
    private static let attributeCountMax = 64

    func apply(to graph: inout Graph, _ session: RunSession) throws(EngineError) {
        let pinned = graph.pinnedNames()
        var renaming = Renaming()
        renameConstants(graph, pinned, &renaming)
        var known: [String: [String]] = [:]
        var nodes: [Node] = []
        for node in graph.nodes {
            let node = renaming.applied(to: node)
            guard let key = key(of: node) else {
                nodes.append(node)
                continue
            }
            guard let outputs = known[key], outputs != node.outputs,
                !node.outputs.contains(where: pinned.contains), isDeterministic(node)
            else {
                if known[key] == nil { known[key] = node.outputs }
                nodes.append(node)
                continue
            }
            for (name, first) in zip(node.outputs, outputs) where !name.isEmpty {
                renaming.rename(name, to: first)
            }
        }
        // Nodes may stand before those whose outputs they read.
        graph.nodes = nodes.map { renaming.applied(to: $0) }
    }

    private func renameConstants(
        _ graph: Graph, _ pinned: Set<String>, _ renaming: inout Renaming
    ) {
        var known: [[UInt8]: [(name: String, tensor: Tensor)]] = [:]
        for (name, tensor) in graph.initializers.sorted(by: { $0.key < $1.key }) {
            guard let bytes = tensor.bytes, bytes.count <= Self.constantByteCountMax else {
                continue
            }
            let content = bytes.withUnsafeBytes { Array($0) }
            let same = known[content]?.first {
                $0.tensor.dataType == tensor.dataType && $0.tensor.shape == tensor.shape
            }
            if let same, !pinned.contains(name) {
                renaming.rename(name, to: same.name)
            } else {
                known[content, default: []].append((name, tensor))
            }
        }
    }

    /// Equal for nodes that compute the same; nil for one that is not compared.
    private func key(of node: Node) -> String? {
        var parts = ["\(node.domain):\(node.opType):\(node.opsetVersion)"]
        parts.append(node.inputs.joined(separator: "\u{1}"))
        parts.append(node.outputs.map { $0.isEmpty ? "-" : "+" }.joined())
        for (name, attribute) in node.attributes.sorted(by: { $0.key < $1.key }) {
            guard let value = text(of: attribute) else { return nil }
            parts.append("\(name)=\(value)")
        }
        return parts.joined(separator: "\u{2}")
    }

    private func text(of attribute: Attribute) -> String? {
        switch attribute {
        case .int(let value): "i\(value)"
        case .float(let value): "f\(value.bitPattern)"
        case .string(let value) where value.count <= Self.attributeCountMax: "s\(value)"
        case .type(let value): "t\(value)"
        case .ints(let values) where values.count <= Self.attributeCountMax: "I\(values)"
        case .floats(let values) where values.count <= Self.attributeCountMax:
            "F\(values.map(\.bitPattern))"
        default: nil
        }
    }

    /// Whether the node computes the same each time; one that cannot be read is left for the plan to
    /// refuse.
    private func isDeterministic(_ node: Node) -> Bool {
        (try? OperatorTable.makeOperator(NodeReader(node)))?.isDeterministic ?? false
    }
}
