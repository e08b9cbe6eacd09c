/// Normalised exponentials along one axis: `y = exp(x - max x) / Σ exp(x - max x)`. Before opset 13
/// all dimensions from the axis on are one line.
///
/// - Complexity: one pass to find the maximum, one to sum, one to scale; no allocation.
/// - Source: ONNX Softmax, opset 13.
struct Softmax: AxisLineFunction {
    let axis: LineAxis
    init(_ node: NodeReader) throws(EngineError) { axis = try .ofSoftmax(node) }

    static var worksInPlace: Bool { true }

    func callAsFunction<Value: FloatMath>(
        _ frame: StepFrame, _ rows: RowMath<Value>, _ x: UnsafePointer<Value>,
        _ y: UnsafeMutablePointer<Value>, _ count: Int
    ) {
        let sum = rows.exponentials(x, shift: rows.largest(x, count), y, count)
        rows.scale(y, by: 1 / sum, y, count)
    }
}

extension LineAxis {
    /// The axis of Softmax and its like.
    static func ofSoftmax(_ node: NodeReader) throws(EngineError) -> LineAxis {
        node.opsetVersion < 13
            ? .from(try node.int("axis", default: 1)) : .one(try node.int("axis", default: -1))
    }
}
