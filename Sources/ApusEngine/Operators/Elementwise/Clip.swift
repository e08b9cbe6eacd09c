internal import ApusCore
internal import CApusKernels

/// `min(highest, max(x, lowest))`; NaN stays NaN.
///
/// - Types: all floats and integers. Bounds are scalar inputs, attributes before opset 11.
/// - Source: ONNX Clip, opset 13.
struct Clip: ElementwiseOperator {
    private let lowest: Float?
    private let highest: Float?

    init(_ node: NodeReader) throws(EngineError) {
        lowest = node.opsetVersion < 11 ? try node.float("min") : nil
        highest = node.opsetVersion < 11 ? try node.float("max") : nil
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        for index in 1...2 where inputs.has(index) {
            let bound = try inputs.tensor(index)
            guard bound.dataType == source.dataType, bound.shape.elementCount == 1 else {
                throw inputs.fail("input \(index) must be one element of type \(source.dataType)")
            }
        }
        return [source]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let type = try builder.inputs.dataType(0)
        let visitor = ClipBody(
            lowest: lowest, highest: highest, hasLowest: builder.inputs.has(1),
            hasHighest: builder.inputs.has(2), kernels: builder.kernels)
        guard let body = try type.visitNumber(visitor) else {
            throw builder.inputs.fail("elements of type \(type) are not supported")
        }
        builder.addElementwise(body)
    }
}

private struct ClipBody: NumberVisitor {
    let lowest: Float?
    let highest: Float?
    let hasLowest: Bool
    let hasHighest: Bool
    let kernels: Kernels

    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        let (hasLowest, hasHighest, unary) = (hasLowest, hasHighest, kernels.unary_f32)
        let fixedLow = lowest.map { Element.Value(fromDouble: Double($0)) } ?? .lowest
        let fixedHigh = highest.map { Element.Value(fromDouble: Double($0)) } ?? .highest
        return { frame, range in
            var low = hasLowest ? frame.input(1, as: Element.self).pointee.value : fixedLow
            let high = hasHighest ? frame.input(2, as: Element.self).pointee.value : fixedHigh
            if low > high { low = high }
            if Element.self == Float.self {
                let parameters = [Float(low.asDouble), Float(high.asDouble)]
                unary?(
                    APUS_UNARY_CLIP, frame.input(0) + range.lowerBound,
                    frame.output(0) + range.lowerBound, range.count, parameters)
                return
            }
            let x = frame.input(0, as: Element.self)
            let y = frame.output(0, as: Element.self)
            for i in range {
                let value = x[i].value
                y[i] =
                    value < low
                    ? Element(storing: low) : value > high ? Element(storing: high) : x[i]
            }
        }
    }
}
