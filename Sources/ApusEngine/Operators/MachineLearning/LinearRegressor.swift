internal import ApusCore

/// `y = x · coefficients + intercepts`, transformed.
///
/// - Shapes: `[N, C]` gives `[N, targets]`. - Types: features of `float`, `double`, `int64`,
///   `int32`; computes in `float`.
/// - Source: ai.onnx.ml LinearRegressor, version 1. With one target only PROBIT is applied, as in
///   onnxruntime.
struct LinearRegressor: StepOperator {
    private let coefficients: FeatureVectors
    private let intercepts: [Float]
    private let transform: PostTransform

    init(_ node: NodeReader) throws(EngineError) {
        let targetCount = try node.int("targets", default: 1)
        let values = try node.floats("coefficients") ?? []
        guard targetCount > 0, !values.isEmpty, values.count % targetCount == 0 else {
            throw node.fail(
                "attribute \"coefficients\" has \(values.count) values for \(targetCount) targets")
        }
        coefficients = FeatureVectors(
            values, count: targetCount, length: values.count / targetCount)
        intercepts = try node.floats("intercepts") ?? []
        guard intercepts.isEmpty || intercepts.count == targetCount else {
            throw node.fail(
                "attribute \"intercepts\" has \(intercepts.count) values, expected \(targetCount)")
        }
        transform = try PostTransform(node)
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let rows = try FeatureRows(inputs)
        try rows.check(columnCount: coefficients.length, inputs)
        return [PlannedTensor(.float, [rows.rowCount, coefficients.count])]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let weights = try coefficients.bound(to: builder.kernels)
        let (intercepts, transform) = (intercepts, transform)
        let count = coefficients.count
        let transforms = count > 1 || transform == .probit
        try builder.addRowStep(
            FeatureRows(builder.inputs), workPerRow: 2 * count * coefficients.length
        ) { frame, row, x, _ in
            let y = frame.output(0, as: Float.self) + row * count
            weights.products(x, y)
            for (target, intercept) in intercepts.enumerated() { y[target] += intercept }
            if transforms { transform.apply(y, count) }
        }
    }
}

extension LinearRegressor {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.featureRows()]
    }
}
