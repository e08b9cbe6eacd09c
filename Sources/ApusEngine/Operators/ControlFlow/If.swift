internal import ApusCore

/// One of two sub-graphs, by a condition.
///
/// - Shapes: the condition has one element; the branches may give different shapes.
/// - Source: ONNX If, opset 25.
struct If: ControlFlowOperator {
    private let thenBranch: Program
    private let elseBranch: Program

    var bodies: [Program] { [thenBranch, elseBranch] }

    init(_ node: NodeReader) throws(EngineError) {
        thenBranch = try node.body("then_branch")
        elseBranch = try node.body("else_branch")
        for branch in [thenBranch, elseBranch] {
            guard branch.graph.inputs.isEmpty, branch.graph.outputs.count >= node.outputCount
            else {
                throw node.fail(
                    "has a branch with \(branch.graph.inputs.count) inputs and "
                        + "\(branch.graph.outputs.count) outputs, expected 0 and "
                        + "\(node.outputCount)")
            }
        }
    }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        guard let condition = try context.integer(inputs, 0) else {
            throw context.fail("the condition is missing")
        }
        return try context.run(condition != 0 ? thenBranch : elseBranch, [])
    }
}

extension If: RowFlowOperator {
    func rowValues(
        _ inputs: [RowAnalysis.Value?], captured: [String: RowAnalysis.Value],
        in analysis: RowAnalysis
    ) throws -> [RowAnalysis.Value] {
        let condition = inputs.first ?? nil
        try analysis.requireFixed(condition, "condition")
        if let known = condition?.contents?.first?.integers?.first {
            return try analysis.walk(known != 0 ? thenBranch : elseBranch, [], captured: captured)
        }
        let taken = try analysis.walk(thenBranch, [], captured: captured)
        let other = try analysis.walk(elseBranch, [], captured: captured)
        guard taken.count == other.count,
            zip(taken, other).allSatisfy({ $0.tensors == $1.tensors && $0.rows == $1.rows })
        else { throw RowMixing("has branches of different shapes") }
        return taken.map(\.withoutContents)
    }
}
