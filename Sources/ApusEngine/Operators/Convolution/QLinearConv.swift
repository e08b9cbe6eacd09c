internal import ApusCore

/// Convolution of quantized numbers: the exact 32-bit sum, plus the bias, times
/// `x_scale * w_scale / y_scale`, rounded half to even, plus the zero point, clamped.
///
/// - Shapes: as Conv; scales and zero points of `w` are scalar or `[M]`, the others scalar.
/// - Types: `int8` and `uint8` in every combination; the bias is `int32`, scales are `float`.
/// - Source: ONNX QLinearConv, opset 10.
struct QLinearConv: StepOperator {
    private let window: WindowAttributes
    private let groups: Int

    init(_ node: NodeReader) throws(EngineError) {
        window = try WindowAttributes(node)
        groups = try node.int("group", default: 1)
        guard groups >= 1 else { throw node.fail("group is \(groups), allowed is 1 or more") }
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let shape = try convolution(inputs).shape
        let type = try inputs.dataType(7)
        guard type == .int8 || type == .uint8 else {
            throw inputs.fail("input 7 is \(type), allowed are int8 and uint8")
        }
        for index in [1, 4, 6] {
            let scale = try inputs.tensor(index)
            let isPerChannel = index == 4 && scale.shape == [shape.outputChannels]
            guard scale.dataType == .float, scale.shape.elementCount == 1 || isPerChannel else {
                throw inputs.fail(
                    "scale \(index) is \(scale.dataType) of shape \(scale.shape), expected one "
                        + "float")
            }
        }
        guard try inputs.shape(7).elementCount == 1 else {
            throw inputs.fail("y_zero_point must be one element")
        }
        if inputs.has(8),
            try inputs.tensor(8) != PlannedTensor(.int32, [shape.outputChannels])
        {
            let bias = try inputs.tensor(8)
            throw inputs.fail(
                "the bias is \(bias.dataType) of shape \(bias.shape), expected int32 of shape "
                    + "[\(shape.outputChannels)]")
        }
        return [PlannedTensor(type, shape.output(isChannelsLast: false))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        guard builder.outputs[0].shape.elementCount > 0 else { return }
        let scaleStep = try builder.inputs.shape(4).elementCount > 1 ? 1 : 0
        let hasBias = builder.inputs.has(8)
        let visitor = Requantizing(scaleStep: scaleStep, hasBias: hasBias)
        guard let store = try builder.outputs[0].dataType.visitInteger(visitor) else {
            throw builder.inputs.fail("outputs of this type are not supported")
        }
        try convolution(builder.inputs).plan(&builder, store: store)
    }

    private func convolution(_ inputs: PlanInputs) throws(EngineError) -> IntegerConvolution {
        try IntegerConvolution(
            window, groups: groups, image: 0, imageZero: 2, weights: 3, weightZero: 5, inputs)
    }
}

private struct Requantizing: IntegerVisitor {
    let scaleStep: Int
    let hasBias: Bool

    func visit<Element: IntegerNumber>(
        _ type: Element.Type
    ) -> @Sendable (StepFrame) -> (Int, Int, Int32) -> Void {
        let (scaleStep, hasBias) = (scaleStep, hasBias)
        return { frame in
            let xScale = frame.input(1, as: Float.self)[0]
            let wScales = frame.input(4, as: Float.self)
            let yScale = frame.input(6, as: Float.self)[0]
            let zero = Float(frame.input(7, as: Element.self)[0])
            let bias = hasBias ? frame.input(8, as: Int32.self) : nil
            let y = frame.output(0, as: Element.self)
            let (lowest, highest) = (Float(Element.min), Float(Element.max))
            return { output, channel, sum in
                let total = sum &+ (bias.map { $0[channel] } ?? 0)
                let scale = xScale * wScales[channel &* scaleStep] / yScale
                let value = (Float(total) * scale).rounded(.toNearestOrEven) + zero
                // In this order NaN becomes the lowest, so that the conversion cannot trap.
                let low = value > lowest ? value : lowest
                y[output] = Element(low < highest ? low : highest)
            }
        }
    }
}
