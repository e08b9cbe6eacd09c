import ApusCore

/// `x / 2 * (1 + erf(x / √2))`, or its form with `tanh`, in whatever order it is multiplied out,
/// becomes Gelu.
struct RecogniseGelu: GraphPass {
    func apply(to graph: inout Graph, _ session: RunSession) throws(EngineError) {
        let reader = SymbolicReader(graph)
        for node in graph.nodes
        where node.domain.isEmpty && (node.opType == "Erf" || node.opType == "Tanh") {
            guard let (x, result) = formula(around: node, reader),
                let root = reader.uses.maker[result]
            else { continue }
            let approximation = node.opType == "Erf" ? "none" : "tanh"
            graph.nodes[root] = Node(
                name: graph.nodes[root].name, opType: "Gelu", domain: "", opsetVersion: 20,
                inputs: [x], outputs: [result],
                attributes: ["approximate": .string(Array(approximation.utf8))])
        }
    }

    private func formula(
        around node: Node, _ reader: SymbolicReader
    ) -> (x: String, result: String)? {
        guard node.inputs.count == 1, let function = node.outputs.first else { return nil }
        let argument = node.opType == "Erf" ? Self.erfArgument : Self.tanhArgument
        let whole = Polynomial([.init(x: 1): 0.5, .init(x: 1, t: 1): 0.5])
        for x in reader.sources(of: node.inputs[0]) {
            let isArgument = reader.polynomial(node.inputs[0], in: [x: .x])?.matches(argument)
            guard isArgument == true else { continue }
            let result = reader.results(of: function).first {
                reader.polynomial($0, in: [x: .x, function: .t])?.matches(whole) == true
            }
            if let result { return (x, result) }
        }
        return nil
    }

    private static let erfArgument = Polynomial([.init(x: 1): 0.7071067811865476])
    private static let tanhArgument = Polynomial([
        .init(x: 1): 0.7978845608028654, .init(x: 3): 0.7978845608028654 * 0.044715,
    ])
}
