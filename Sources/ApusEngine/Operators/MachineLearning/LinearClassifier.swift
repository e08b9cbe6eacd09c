internal import ApusCore

/// The class with the largest `x · coefficients + intercepts`, and the scores, transformed.
///
/// - Outputs: labels `[N]`, scores `[N, classes]`: two where one score stands for two labels.
/// - Types: features of `float`, `double`, `int64`, `int32`; computes in `float`.
/// - Source: ai.onnx.ml LinearClassifier, version 1; two labels with one score as in onnxruntime.
struct LinearClassifier: Classifier {
    let labels: ClassLabels
    let node: Node
    private let coefficients: FeatureVectors
    private let intercepts: [Float]
    private let transform: PostTransform

    init(_ node: NodeReader) throws(EngineError) {
        self.node = node.bare(outputCount: 2)
        labels = try ClassLabels(
            node, numbers: "classlabels_ints", strings: "classlabels_strings")
        let values = try node.floats("coefficients") ?? []
        let given = try node.floats("intercepts") ?? []
        // The intercepts tell one score for two labels from two.
        let count = given.isEmpty ? labels.count : given.count
        guard count == labels.count || count == 1 else {
            throw node.fail(
                "attribute \"intercepts\" has \(count) values for \(labels.count) labels")
        }
        guard !values.isEmpty, values.count % count == 0 else {
            throw node.fail(
                "attribute \"coefficients\" has \(values.count) values for \(count) scores")
        }
        coefficients = FeatureVectors(values, count: count, length: values.count / count)
        intercepts = given.isEmpty ? Array(repeating: 0, count: count) : given
        transform = try PostTransform(node)
    }

    /// Scores per row of the output.
    private var scoreCount: Int { labels.count == 2 ? 2 : coefficients.count }

    func stepOutputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let rows = try FeatureRows(inputs)
        try rows.check(columnCount: coefficients.length, inputs)
        return [
            PlannedTensor(.int64, [rows.rowCount]),
            PlannedTensor(.float, [rows.rowCount, scoreCount]),
        ]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let weights = try coefficients.bound(to: builder.kernels)
        let (intercepts, transform) = (intercepts, transform)
        let (table, labelCount, scoreCount) = (labels.table, labels.count, scoreCount)
        let wants = (builder.wants(output: 0), builder.wants(output: 1))
        let count = coefficients.count
        try builder.addRowStep(
            FeatureRows(builder.inputs), workPerRow: 2 * count * coefficients.length,
            extraScratch: max(count, 2)
        ) { frame, row, x, scores in
            weights.products(x, scores)
            for target in 0..<count { scores[target] += intercepts[target] }
            var best = 0
            if count == 1 {
                // Two labels, or a plain 0 and 1 behind them in the table.
                best = (labelCount == 2 ? 0 : labelCount) + (scores[0] > 0 ? 1 : 0)
            } else {
                for target in 1..<count where scores[target] > scores[best] { best = target }
            }
            if wants.0 { frame.output(0, as: Int64.self)[row] = table[best] }
            guard wants.1 else { return }
            if count == 1 && scoreCount == 2 {
                transform.applyPair(scores[0], .complement, scores)
            } else if count > 1 || transform == .probit {
                transform.apply(scores, count)
            }
            (frame.output(1, as: Float.self) + row * scoreCount).update(
                from: scores, count: scoreCount)
        }
    }
}
