import ApusCore

/// The mean, the variance and the division that exporters before opset 17 write out become
/// LayerNormalization: `d = x - mean(x)`, `d / √(mean(d²) + epsilon) * scale + bias`.
struct RecogniseLayerNormalization: GraphPass {
    func apply(to graph: inout Graph, _ session: RunSession) throws(EngineError) {
        let reader = SymbolicReader(graph)
        for (index, node) in graph.nodes.enumerated()
        where node.opType == "Div" && node.domain.isEmpty && node.inputs.count == 2 {
            guard let output = node.outputs.first, let found = try normalization(node, reader)
            else { continue }
            let affine = affine(after: index, axisCount: found.axisCount, reader)
            let scale = affine.scale ?? "\(output)/scale"
            if affine.scale == nil {
                guard graph.initializers[scale] == nil, let one = Self.one(found.type) else {
                    continue
                }
                graph.initializers[scale] = one
            }
            graph.nodes[affine.last] = Node(
                name: node.name, opType: "LayerNormalization", domain: "", opsetVersion: 17,
                inputs: [found.x, scale] + (affine.bias.map { [$0] } ?? []),
                outputs: graph.nodes[affine.last].outputs,
                attributes: [
                    "axis": .int(Int64(-found.axisCount)), "epsilon": .float(Float(found.epsilon)),
                ])
        }
    }

    private struct Found {
        let x: String
        /// Dimensions that are normalised: this many at the end.
        let axisCount: Int
        let epsilon: Double
        let type: DataType
    }

    /// Reads `d / sqrt(mean(d * d) + epsilon)`.
    private func normalization(
        _ node: Node, _ reader: SymbolicReader
    ) throws(EngineError) -> Found? {
        guard let centred = reader.maker(of: node.inputs[0], "Sub"),
            let root = reader.maker(of: node.inputs[1], "Sqrt"), root.inputs.count == 1,
            let sum = reader.maker(of: root.inputs[0], "Add"), sum.inputs.count == 2,
            let position = (0..<2).first(where: { reader.scalar(sum.inputs[$0]) != nil }),
            let epsilon = reader.scalar(sum.inputs[position]),
            let type = reader.graph.initializers[sum.inputs[position]]?.dataType,
            let variance = reader.maker(of: sum.inputs[1 - position], "ReduceMean"),
            let squares = variance.inputs.first,
            let square = reader.maker(of: squares, "Pow", "Mul"),
            square.inputs.count == 2, centred.inputs.count == 2
        else { return nil }
        let isSquare =
            square.opType == "Pow"
            ? reader.scalar(square.inputs[1]) == 2 : square.inputs[0] == square.inputs[1]
        let x = centred.inputs[0]
        guard isSquare, isSame(square.inputs[0], centred, node.inputs[0], reader),
            let mean = reader.maker(of: centred.inputs[1], "ReduceMean"), mean.inputs.first == x,
            let axisCount = try axisCount(mean, x, reader),
            try self.axisCount(variance, x, reader) == axisCount
        else { return nil }
        return Found(x: x, axisCount: axisCount, epsilon: epsilon, type: type)
    }

    /// Whether a value is the centred one, or computed again in the same way.
    private func isSame(
        _ name: String, _ centred: Node, _ centredName: String, _ reader: SymbolicReader
    ) -> Bool {
        name == centredName || reader.maker(of: name, "Sub")?.inputs == centred.inputs
    }

    /// How many dimensions at the end a ReduceMean takes together; nil if others or none.
    private func axisCount(
        _ node: Node, _ x: String, _ reader: SymbolicReader
    ) throws(EngineError) -> Int? {
        let attributes = NodeReader(node)
        guard try attributes.flag("keepdims", default: true) else { return nil }
        var axes = try attributes.ints("axes")
        if attributes.hasInput(1) { axes = reader.graph.initializers[node.inputs[1]]?.integers }
        guard var axes, !axes.isEmpty else { return nil }
        if axes.contains(where: { $0 >= 0 }) {
            guard let rank = reader.uses.rank(of: x) else { return nil }
            axes = axes.map { $0 >= 0 ? $0 - rank : $0 }
        }
        return axes.sorted() == Array(-axes.count ... -1) ? axes.count : nil
    }

    /// The constant scale and bias that follow a node, and the node that ends with them.
    private func affine(
        after index: Int, axisCount: Int, _ reader: SymbolicReader
    ) -> (scale: String?, bias: String?, last: Int) {
        func follower(_ index: Int, _ opType: String) -> (constant: String, index: Int)? {
            guard let output = reader.graph.nodes[index].outputs.first,
                reader.uses.isReadOnce(output), let next = reader.readers[output]?.first,
                reader.graph.nodes[next].opType == opType,
                reader.graph.nodes[next].domain.isEmpty,
                let constant = reader.graph.nodes[next].inputs.first(where: { $0 != output }),
                let shape = reader.graph.initializers[constant]?.shape, shape.count <= axisCount
            else { return nil }
            return (constant, next)
        }
        let scale = follower(index, "Mul")
        let last = scale?.index ?? index
        let bias = follower(last, "Add")
        return (scale?.constant, bias?.constant, bias?.index ?? last)
    }

    /// A scale of one.
    private static func one(_ type: DataType) -> Tensor? {
        switch type {
        case .float: try? Tensor(.float, [], [Float(1)])
        case .double: try? Tensor(.double, [], [Double(1)])
        case .float16: try? Tensor(.float16, [], [Float16(1)])
        case .bfloat16: try? Tensor(.bfloat16, [], [BFloat16(storing: 1)])
        default: nil
        }
    }
}
