internal import ApusCore

/// A support-vector regressor, or a one-class machine that tells inliers (1) from outliers (-1).
///
/// - Shapes: `[N, C]` gives `[N, 1]`. - Types: features of `float`, `double`, `int64`, `int32`;
///   computes in `float`.
/// - Source: ai.onnx.ml SVMRegressor, version 1. `post_transform` has no effect on the one score, as
///   in onnxruntime.
struct SVMRegressor: StepOperator {
    private let vectors: SupportVectors
    /// Weights of the support vectors; nil if the vector is the hyperplane itself.
    private let coefficients: [Float]?
    private let rho: Float
    private let isOneClass: Bool

    init(_ node: NodeReader) throws(EngineError) {
        let coefficients = try node.floats("coefficients") ?? []
        let count = try node.int("n_supports", default: 0)
        guard let rho = try node.floats("rho")?.first else {
            throw node.fail("attribute \"rho\" is missing or empty")
        }
        self.rho = rho
        isOneClass = try node.flag("one_class")
        _ = try PostTransform(node)
        if count == 0 {
            self.coefficients = nil
            vectors = try SupportVectors(
                node, coefficients, count: 1, isLinear: true, attribute: "coefficients")
        } else {
            guard coefficients.count == count else {
                throw node.fail(
                    "attribute \"coefficients\" has \(coefficients.count) values, expected \(count)"
                )
            }
            self.coefficients = coefficients
            vectors = try SupportVectors(
                node, try node.floats("support_vectors") ?? [], count: count, isLinear: false,
                attribute: "support_vectors")
        }
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let rows = try FeatureRows(inputs)
        try rows.check(columnCount: vectors.featureCount, inputs)
        return [PlannedTensor(.float, [rows.rowCount, 1])]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let bound = try vectors.bound(to: builder.kernels)
        let (vectors, coefficients, rho, isOneClass) = (vectors, coefficients, rho, isOneClass)
        try builder.addRowStep(
            FeatureRows(builder.inputs), workPerRow: 2 * vectors.count &* vectors.featureCount,
            extraScratch: vectors.count
        ) { frame, row, x, values in
            vectors.apply(bound, x, values)
            var score: Float = 0
            if let coefficients {
                for (vector, weight) in coefficients.enumerated() {
                    score += weight * values[vector]
                }
            } else {
                score = values[0]
            }
            score += rho
            frame.output(0, as: Float.self)[row] = isOneClass ? (score > 0 ? 1 : -1) : score
        }
    }
}

extension SVMRegressor {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.featureRows()]
    }
}
