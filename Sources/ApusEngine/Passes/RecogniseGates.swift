import ApusCore

/// `x * Sigmoid(x)` becomes Swish, `x * HardSigmoid(x)` with the slope 1/6 becomes HardSwish.
struct RecogniseGates: GraphPass {
    func apply(to graph: inout Graph, _ session: RunSession) throws(EngineError) {
        let uses = GraphUses(graph)
        var nodes: [Node?] = graph.nodes
        for (index, product) in graph.nodes.enumerated()
        where product.opType == "Mul" && product.domain.isEmpty && product.inputs.count == 2 {
            for position in 0..<2 {
                let gateName = product.inputs[position]
                guard let maker = uses.maker[gateName], uses.isReadOnce(gateName),
                    let gate = nodes[maker], gate.inputs.count == 1,
                    gate.inputs[0] == product.inputs[1 - position],
                    let (name, version) = try function(gate)
                else { continue }
                nodes[maker] = nil
                nodes[index] = Node(
                    name: product.name, opType: name, domain: "", opsetVersion: version,
                    inputs: gate.inputs, outputs: product.outputs, attributes: [:])
                break
            }
        }
        graph.nodes = nodes.compactMap { $0 }
    }

    private func function(_ gate: Node) throws(EngineError) -> (String, Int)? {
        guard gate.domain.isEmpty else { return nil }
        switch gate.opType {
        case "Sigmoid": return ("Swish", 24)
        case "HardSigmoid":
            let node = NodeReader(gate)
            let alpha = try node.float("alpha", default: 0.2)
            let beta = try node.float("beta", default: 0.5)
            return abs(alpha - 1 / 6) < 1e-6 && beta == 0.5 ? ("HardSwish", 14) : nil
        default: return nil
        }
    }
}
