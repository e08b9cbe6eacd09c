/// Local response normalisation: every element is divided by
/// `(bias + alpha / size * Σ x²)^beta`, the sum over `size` neighbouring channels.
///
/// - Shapes: `x` is `[N, C, D1...]`. - Source: ONNX LRN, opset 13.
struct LRN: AxisLineFunction {
    private let size: Int
    private let alpha: Float
    private let beta: Float
    private let bias: Float

    init(_ node: NodeReader) throws(EngineError) {
        guard let size = try node.int("size"), size > 0 else {
            throw node.fail("attribute \"size\" must be a positive integer")
        }
        self.size = size
        alpha = try node.float("alpha", default: 1e-4)
        beta = try node.float("beta", default: 0.75)
        bias = try node.float("bias", default: 1)
    }

    var axis: LineAxis { .one(1) }
    /// An element's neighbours are read after it is written.
    static var worksInPlace: Bool { false }

    func callAsFunction<Value: FloatMath>(
        _ frame: StepFrame, _ rows: RowMath<Value>, _ x: UnsafePointer<Value>,
        _ y: UnsafeMutablePointer<Value>, _ count: Int
    ) {
        let before = min((size - 1) / 2, count)
        let after = min(size - 1 - (size - 1) / 2, count)
        let (factor, bias) = (Value(alpha) / Value(size), Value(bias))
        var meter = CancellationMeter()
        for i in 0..<count {
            if meter.isCancelled(frame, after: before + after) { return }
            var sum = Value.zero
            for j in max(0, i - before)...min(count - 1, i + after) { sum += x[j] * x[j] }
            let base = bias + factor * sum
            // The usual exponent, by roots: many times faster than a power.
            let divisor =
                beta == 0.75
                ? base.squareRoot() * base.squareRoot().squareRoot()
                : Value.pow(base, Value(beta))
            y[i] = x[i] / divisor
        }
    }
}
