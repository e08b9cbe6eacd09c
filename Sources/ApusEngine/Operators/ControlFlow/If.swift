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
