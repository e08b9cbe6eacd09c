internal import ApusCore

/// A window function: ONNX HannWindow, HammingWindow, BlackmanWindow. Symmetric over `size` points,
/// or over one more and cut if it is periodic.
///
/// - Types: any number type, by `output_datatype`. - Source: ONNX HannWindow, opset 17.
struct Window: StepOperator {
    private let dataType: DataType
    private let isPeriodic: Bool
    /// The window is `Σ ±weights[k] * cos(2πkn / N)` with alternating signs.
    private let weights: [Double]

    init(_ node: NodeReader) throws(EngineError) {
        dataType = try node.dataType("output_datatype") ?? .float
        isPeriodic = try node.flag("periodic", default: true)
        switch node.node.opType {
        case "HannWindow": weights = [0.5, 0.5]
        case "HammingWindow": weights = [25.0 / 46.0, 21.0 / 46.0]
        default: weights = [0.42, 0.5, 0.08]
        }
    }

    var contentInputs: [Int] { [0] }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        guard let size = try inputs.integers(0)?.first, size >= 0, size <= 1 << 40 else {
            throw inputs.fail("input 0 must be a length")
        }
        return [PlannedTensor(dataType, [size])]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let size = builder.outputs[0].shape[0]
        let visitor = WindowBody(
            weights: weights, period: Double(isPeriodic ? size : max(size - 1, 1)))
        guard let body = try dataType.visitNumber(visitor) else {
            throw builder.inputs.fail("elements of type \(dataType) are not supported")
        }
        builder.addParallelStep(count: size, grain: 256, operationCount: size * 20, body)
    }
}

private struct WindowBody: NumberVisitor {
    let weights: [Double]
    let period: Double

    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        let (weights, period) = (weights, period)
        return { frame, range in
            let y = frame.output(0, as: Element.self)
            for n in range {
                var value = 0.0
                for (k, weight) in weights.enumerated() {
                    let term = weight * Double.cos(2 * .pi * Double(k * n) / period)
                    value += k % 2 == 0 ? term : -term
                }
                y[n] = Element(storing: Element.Value(fromDouble: value))
            }
        }
    }
}
