/// 1 for the first of a line's largest elements, 0 for all others. NaN counts as the largest.
///
/// - Source: ONNX Hardmax, opset 13.
struct Hardmax: AxisLineFunction {
    let axis: LineAxis
    init(_ node: NodeReader) throws(EngineError) { axis = try .ofSoftmax(node) }

    static var worksInPlace: Bool { true }

    func callAsFunction<Value: FloatMath>(
        _ frame: StepFrame, _ rows: RowMath<Value>, _ x: UnsafePointer<Value>,
        _ y: UnsafeMutablePointer<Value>, _ count: Int
    ) {
        let largest = rows.largest(x, count)
        var isOpen = true
        for i in 0..<count {
            let isFound = isOpen && (x[i] == largest || x[i].isNaN)
            if isFound { isOpen = false }
            y[i] = isFound ? 1 : 0
        }
    }
}
