internal import ApusCore

/// Each row divided by its largest element, the sum of its absolute values, or its length. Rows whose
/// divisor is 0 stay as they are.
///
/// - Shapes: `[N, C]` or `[C]`. - Types: `float`, `double`, `int64`, `int32`; the result is `float`.
/// - Source: ai.onnx.ml Normalizer, version 1; MAX takes the largest element, not its magnitude.
struct Normalizer: StepOperator {
    private enum Norm: String { case max = "MAX", l1 = "L1", l2 = "L2" }
    private let norm: Norm

    init(_ node: NodeReader) throws(EngineError) {
        let name = try node.string("norm", default: "MAX")
        guard let norm = Norm(rawValue: name) else {
            throw node.fail("attribute \"norm\" is \"\(name)\", not MAX, L1 or L2")
        }
        self.norm = norm
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        _ = try FeatureRows(inputs)
        return [PlannedTensor(.float, try inputs.shape(0))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let rows = try FeatureRows(builder.inputs)
        let (norm, count) = (norm, rows.columnCount)
        try builder.addRowStep(rows, workPerRow: 3 * count) { frame, row, x, _ in
            let y = frame.output(0, as: Float.self) + row * count
            var divisor: Float = norm == .max ? -.greatestFiniteMagnitude : 0
            for i in 0..<count {
                switch norm {
                case .max: divisor = x[i] > divisor ? x[i] : divisor
                case .l1: divisor += x[i].magnitude
                case .l2: divisor += x[i] * x[i]
                }
            }
            if divisor == 0 { divisor = 1 }
            for i in 0..<count {
                y[i] =
                    norm == .l2
                    ? Float(signOf: x[i], magnitudeOf: (x[i] * x[i] / divisor).squareRoot())
                    : x[i] / divisor
            }
        }
    }
}

extension Normalizer {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.featureRows()]
    }
}
