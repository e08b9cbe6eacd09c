internal import ApusCore

/// Attention whose scores, and probabilities, pass through graphs of the model's own:
/// `Y = prob_mod(softmax(score_mod(scale * Q K^T))) V`.
///
/// - Shapes: `Q [N, heads, L, size]`, `K [N, key heads, S, size]`, `V [N, key heads, S, value size]`;
///   the result is `[N, heads, L, value size]`. The graphs keep their input's shape
///   `[N, heads, L, S]`.
/// - Types: floats; scores and probabilities are of `softmax_precision`, by default `double` for
///   `double` and `float` for the others.
/// - Source: ONNX FlexAttention, opset 1 of `ai.onnx.preview`; Dong et al. 2024, "Flex Attention".
struct FlexAttention: ControlFlowOperator {
    let bodies: [Program]
    private let scores: Program
    private let scoreMod: Program?
    private let softmax: Program
    private let probMod: Program?
    private let values: Program
    private let scale: Float?
    private let precision: DataType?

    init(_ node: NodeReader) throws(EngineError) {
        scale = try node.float("scale")
        precision = try node.dataType("softmax_precision")
        if let precision, ![.float, .double, .float16, .bfloat16].contains(precision) {
            throw node.fail("softmax_precision \(precision) is no floating-point type")
        }
        scoreMod = try Self.body(node, "score_mod")
        probMod = try Self.body(node, "prob_mod")
        let depth = node.depth + 1
        scores = try Program(
            Self.graph(
                ["q", "k", "scale"],
                [
                    ("Mul", ["q", "scale"], "scaled", [:]),
                    ("Transpose", ["k"], "turned", ["perm": .ints([0, 1, 3, 2])]),
                    ("MatMul", ["scaled", "turned"], "result", [:]),
                ]), depth: depth)
        softmax = try Program(
            Self.graph(["x"], [("Softmax", ["x"], "result", ["axis": .int(-1)])]), depth: depth)
        values = try Program(
            Self.graph(["p", "v"], [("MatMul", ["p", "v"], "result", [:])]), depth: depth)
        bodies = [scoreMod, probMod].compactMap { $0 }
    }

    /// A graph of the node that takes and makes one value; nil if it has none.
    private static func body(_ node: NodeReader, _ name: String) throws(EngineError) -> Program? {
        guard node.has(name) else { return nil }
        let body = try node.body(name)
        guard body.graph.inputs.count == 1, body.graph.outputs.count == 1 else {
            throw node.fail(
                "\(name) has \(body.graph.inputs.count) inputs and \(body.graph.outputs.count) "
                    + "outputs, expected one of each")
        }
        return body
    }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let q = try context.tensor(inputs, 0)
        let k = try context.tensor(inputs, 1)
        let v = try context.tensor(inputs, 2)
        guard q.shape.count == 4, k.shape.count == 4, v.shape.count == 4,
            Array(k.shape[..<3]) == Array(v.shape[..<3]), k.shape[0] == q.shape[0],
            k.shape[3] == q.shape[3], k.shape[1] > 0, q.shape[1] % k.shape[1] == 0
        else {
            throw context.fail("Q \(q.shape), K \(k.shape) and V \(v.shape) do not fit each other")
        }
        let type = precision ?? (q.dataType == .double ? .double : .float)
        // Query heads that share a key head are rows of one matrix.
        let grouped = [q.shape[0], k.shape[1], q.shape[1] / k.shape[1] * q.shape[2]]
        let full = Array(q.shape[..<3]) + [k.shape[2]]
        let factor = try context.make(
            .float, [], [scale ?? 1 / Float(q.shape[3]).squareRoot()])
        let size = q.shape[3]
        let rows = try context.naming { try q.reshaped(to: grouped + [size]) }
        let products = try context.run(
            scores,
            [
                try cast(.tensor(rows), type, context), try cast(.tensor(k), type, context),
                try cast(factor, type, context),
            ])
        var table = try reshaped(products, full, context)
        if let scoreMod { table = try modified(scoreMod, table, type, "score_mod", context) }
        table = try reshaped(try context.run(softmax, [table]), full, context)
        if let probMod { table = try modified(probMod, table, type, "prob_mod", context) }
        let result = try context.run(
            values,
            [
                try reshaped([table], grouped + [k.shape[2]], context),
                try cast(.tensor(v), type, context),
            ])
        let output = try reshaped(result, Array(q.shape[..<3]) + [v.shape[3]], context)
        return [try cast(output, q.dataType, context)]
    }

    private func modified(
        _ body: Program, _ table: Value, _ type: DataType, _ name: String,
        _ context: EvaluationContext
    ) throws(EngineError) -> Value {
        let results = try context.run(body, [table])
        guard results.count == 1, let result = results[0].tensor, let before = table.tensor,
            result.shape == before.shape, result.dataType == type
        else { throw context.fail("\(name) must return one tensor of its input's shape and type") }
        return results[0]
    }

    private func reshaped(
        _ values: [Value], _ shape: Shape, _ context: EvaluationContext
    ) throws(EngineError) -> Value {
        let tensor = try context.tensor(values, 0)
        return .tensor(try context.naming { try tensor.reshaped(to: shape) })
    }

    private func cast(
        _ value: Value, _ type: DataType, _ context: EvaluationContext
    ) throws(EngineError) -> Value {
        if value.tensor?.dataType == type { return value }
        let program = try Program(
            Self.graph(["x"], [("Cast", ["x"], "result", ["to": .int(Int64(type.rawValue))])]))
        return try context.run(program, [value])[0]
    }

    /// A graph of standard operators that makes "result".
    private static func graph(
        _ inputs: [String],
        _ nodes: [(type: String, inputs: [String], output: String, [String: Attribute])]
    ) -> Graph {
        Graph(
            name: "FlexAttention",
            inputs: inputs.map { GraphValue(name: $0, type: .tensor(.float), shape: nil) },
            outputs: [GraphValue(name: "result", type: .tensor(.float), shape: nil)],
            initializers: [:],
            nodes: nodes.map { node in
                Node(
                    name: "", opType: node.type, domain: "", opsetVersion: 22,
                    inputs: node.inputs, outputs: [node.output], attributes: node.3)
            })
    }
}
