import ApusCore

/// Computes nodes whose inputs are all constants, once at load.
///
/// A result may be at most as large as the node's inputs, or 4 MiB (tract's rule), so that folding
/// does not blow the model up.
struct FoldConstants: GraphPass {
    func apply(to graph: inout Graph, _ session: RunSession) throws(EngineError) {
        var kept: [Node] = []
        for node in graph.nodes {
            try session.checkCancelled()
            guard let results = try folded(node, graph.initializers, session) else {
                kept.append(node)
                continue
            }
            for (name, tensor) in zip(node.outputs, results) where !name.isEmpty {
                graph.initializers[name] = tensor
            }
        }
        graph.nodes = kept
    }

    private func folded(
        _ node: Node, _ constants: [String: Tensor], _ session: RunSession
    ) throws(EngineError) -> [Tensor]? {
        var inputs: [Value?] = []
        for name in node.inputs {
            if name.isEmpty {
                inputs.append(nil)
            } else if let tensor = constants[name] {
                inputs.append(.tensor(tensor))
            } else {
                return nil
            }
        }
        // Loops may run for ever.
        guard !node.hasBodies else { return nil }
        let op = try OperatorTable.makeOperator(NodeReader(node))
        guard op.isDeterministic else { return nil }
        if let step = op as? any StepOperator, grows(step, node, inputs) { return nil }
        let bound = BoundNode(node: node, op: op, captures: [])
        // A node that fails on its constants fails again, with its name, when it is planned.
        guard
            let values = try? NodeEvaluator.evaluate(
                bound, inputs, captured: [:], constants: [:], session)
        else { return nil }
        let tensors = values.compactMap(\.tensor)
        return tensors.count == values.count ? tensors : nil
    }

    private func grows(_ op: any StepOperator, _ node: Node, _ inputs: [Value?]) -> Bool {
        let planInputs = PlanInputs(
            node: node.label,
            inputs: inputs.map { value in
                value?.tensor.map {
                    PlanInputs.Input(tensor: PlannedTensor($0.dataType, $0.shape), known: $0)
                }
            }, outputCount: node.outputs.count)
        guard let outputs = try? op.outputs(for: planInputs) else { return false }
        let inputBytes = inputs.reduce(0) { $0 &+ ($1?.tensor?.bytes?.count ?? 0) }
        let outputBytes = outputs.compactMap(\.byteCount).max() ?? 0
        return outputBytes > max(inputBytes, 4 << 20)
    }
}
