internal import ApusCore

/// A sub-graph that runs again and again on values that it carries from one iteration to the next,
/// for a number of trips or while a condition holds. What else it makes is stacked.
///
/// - Inputs: trip count and condition, both optional, then the carried values of any kind.
/// - Outputs: the carried values at the end, then the scan outputs with the iterations along
///   dimension 0.
/// - Throws: `limitExceeded` once the scan outputs are over the memory limit; `cancelled`.
/// - Source: ONNX Loop, opset 25.
struct Loop: ControlFlowOperator {
    private let body: Program
    private let carriedCount: Int

    var bodies: [Program] { [body] }

    init(_ node: NodeReader) throws(EngineError) {
        body = try node.body("body")
        carriedCount = max(node.inputCount - 2, 0)
        let (inputs, outputs) = (body.graph.inputs.count, body.graph.outputs.count)
        guard inputs == carriedCount + 2, outputs > carriedCount, node.outputCount < outputs else {
            throw node.fail(
                "carries \(carriedCount) values to \(node.outputCount) outputs, but its body has "
                    + "\(inputs) inputs and \(outputs) outputs")
        }
    }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let tripCountMax = try context.integer(inputs, 0) ?? Int.max
        var isRunning = try context.integer(inputs, 1) != 0
        var carried: [Value] = []
        for index in 0..<carriedCount { carried.append(try context.value(inputs, index + 2)) }
        let head: [PlannedTensor?] = [
            PlannedTensor(.int64, scalarShape(0)), PlannedTensor(.bool, scalarShape(1)),
        ]
        var stacks = StackedOutput.all(
            of: body, after: carriedCount + 1,
            isRunning && tripCountMax > 0 ? nil : head + carried.map(PlannedTensor.init),
            in: context)
        var iteration = 0
        while isRunning && iteration < tripCountMax {
            try context.checkCancelled()
            let counter = try context.make(.int64, scalarShape(0), [iteration])
            let condition = try context.make(.bool, scalarShape(1), [isRunning])
            let results = try context.run(body, [counter, condition] + carried)
            isRunning = try context.integer(results, 0) != 0
            carried = Array(results[1..<1 + carriedCount])
            for index in stacks.indices {
                try stacks[index].append(results[1 + carriedCount + index], in: context)
            }
            iteration += 1
        }
        for stack in stacks { carried.append(.tensor(try stack.tensor(in: context))) }
        return carried
    }

    /// Counter and condition are scalars, or have one dimension where the body says so.
    private func scalarShape(_ input: Int) -> Shape {
        body.graph.inputs[input].shape?.count == 1 ? [1] : []
    }
}

extension Loop: RowFlowOperator {
    func rowValues(
        _ inputs: [RowAnalysis.Value?], captured: [String: RowAnalysis.Value],
        in analysis: RowAnalysis
    ) throws -> [RowAnalysis.Value] {
        try analysis.requireFixed(inputs.first ?? nil, "number of trips")
        try analysis.requireFixed(inputs.dropFirst().first ?? nil, "condition")
        guard body.graph.outputs.count == 1 + carriedCount else {
            throw RowMixing("stacks what its iterations make")
        }
        let carried = inputs.dropFirst(2).compactMap { $0 }
        guard carried.count == carriedCount else { throw RowMixing("carries a missing value") }
        let results = try analysis.repeated(
            body,
            fixed: [
                .unknownScalar(.int64, scalarShape(0)), .unknownScalar(.bool, scalarShape(1)),
            ], carried: carried, slices: [], first: 1, captured: captured)
        try analysis.requireFixed(results[0], "condition")
        return results.dropFirst().map(\.withoutContents)
    }
}
