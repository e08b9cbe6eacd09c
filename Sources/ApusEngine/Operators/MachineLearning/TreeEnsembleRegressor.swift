internal import ApusCore

/// An ensemble of regression trees.
///
/// - Shapes: `[N, C]` gives `[N, n_targets]`.
/// - Types: `float`, `double`, `int64`, `int32`; the result is `float`.
/// - Throws: at load for trees with cycles, missing nodes, or attributes of different lengths.
/// - Source: ai.onnx.ml TreeEnsembleRegressor, version 5. With one target only PROBIT is applied, as
///   in onnxruntime.
struct TreeEnsembleRegressor: StepOperator {
    private let model: TreeEnsembleModel
    private let finish: TreeRegression

    init(_ node: NodeReader) throws(EngineError) {
        let attributes = TreeAttributes(node)
        let targetCount = try node.int("n_targets", default: 1)
        let name = try node.string("aggregate_function", default: "SUM")
        guard
            let aggregation = ["SUM": .sum, "AVERAGE": .average, "MIN": .min, "MAX": .max][name]
                as TreeAggregation?
        else { throw node.fail("attribute \"aggregate_function\" is \"\(name)\"") }
        model = try attributes.model(
            prefix: "target", targetCount: targetCount, aggregation: aggregation)
        let base = try attributes.numbers("base_values")
        finish = TreeRegression(
            base: base.count == targetCount ? base : [], transform: try PostTransform(node),
            targetCount: targetCount, outputType: .float)
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [PlannedTensor(.float, [try FeatureRows(inputs).rowCount, model.targetCount])]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        try model.plan(&builder, finish)
    }
}

/// Adds the base values and transforms.
struct TreeRegression: TreeFinish {
    let base: [Double]
    let transform: PostTransform
    let targetCount: Int
    let outputType: DataType

    func callAsFunction<Real: TreeNumber>(
        _ frame: StepFrame, row: Int, _ own: TreeEnsembleModel.RowScores<Real>
    ) {
        for (target, value) in base.enumerated() { own.scores[target] += Real(value) }
        let appliesTransform = targetCount > 1 || transform == .probit
        if outputType == .double {
            let output = frame.output(0, as: Double.self) + row * targetCount
            guard appliesTransform && transform != .none else {
                for target in 0..<targetCount { output[target] = own.scores[target].asDouble }
                return
            }
            withUnsafeTemporaryAllocation(of: Float.self, capacity: targetCount) { scores in
                guard let scores = scores.baseAddress else { return }
                for target in 0..<targetCount {
                    scores[target] = Float.converted(from: own.scores[target])
                }
                transform.apply(scores, targetCount)
                for target in 0..<targetCount { output[target] = Double(scores[target]) }
            }
        } else {
            let output = frame.output(0, as: Float.self) + row * targetCount
            for target in 0..<targetCount {
                output[target] = Float.converted(from: own.scores[target])
            }
            if appliesTransform { transform.apply(output, targetCount) }
        }
    }
}

extension TreeEnsembleRegressor {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.featureRows()]
    }
}
