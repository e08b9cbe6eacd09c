/// A line divided by its norm: `Σ |x|` for `p` = 1, `√Σ x²` for `p` = 2. A line of zeros stays zero.
///
/// - Source: ONNX LpNormalization, opset 22.
struct LpNormalization: AxisLineFunction {
    let axis: LineAxis
    private let isSquared: Bool

    init(_ node: NodeReader) throws(EngineError) {
        axis = .one(try node.int("axis", default: -1))
        let p = try node.int("p", default: 2)
        guard p == 1 || p == 2 else { throw node.fail("attribute \"p\" is \(p), not 1 or 2") }
        isSquared = p == 2
    }

    static var worksInPlace: Bool { true }

    func callAsFunction<Value: FloatMath>(
        _ frame: StepFrame, _ rows: RowMath<Value>, _ x: UnsafePointer<Value>,
        _ y: UnsafeMutablePointer<Value>, _ count: Int
    ) {
        var norm = Value.zero
        if isSquared {
            norm = rows.sumOfSquares(x, around: 0, count).squareRoot()
        } else {
            for i in 0..<count { norm += x[i].magnitude }
        }
        if norm == 0 { norm = 1 }
        for i in 0..<count { y[i] = x[i] / norm }
    }
}
