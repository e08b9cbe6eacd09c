/// The logarithm of `Softmax`: `y = (x - max x) - log Σ exp(x - max x)`.
///
/// - Source: ONNX LogSoftmax, opset 13.
struct LogSoftmax: AxisLineFunction {
    let axis: LineAxis
    init(_ node: NodeReader) throws(EngineError) { axis = try .ofSoftmax(node) }

    /// The exponentials lie in `y` until they are summed.
    static var worksInPlace: Bool { false }

    func callAsFunction<Value: FloatMath>(
        _ frame: StepFrame, _ rows: RowMath<Value>, _ x: UnsafePointer<Value>,
        _ y: UnsafeMutablePointer<Value>, _ count: Int
    ) {
        let largest = rows.largest(x, count)
        let logarithm = Value.log(rows.exponentials(x, shift: largest, y, count))
        for i in 0..<count { y[i] = (x[i] - largest) - logarithm }
    }
}
