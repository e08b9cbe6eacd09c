internal import ApusCore
internal import CApusKernels

/// Convolution of quantized numbers: the exact 32-bit sum, plus the bias, times
/// `x_scale * w_scale / y_scale`, rounded half to even, plus the zero point, clamped.
///
/// - Shapes: as Conv; scales and zero points of `w` are scalar or `[M]`, the others scalar.
/// - Types: `int8` and `uint8` in every combination; the bias is `int32`, scales are `float`.
/// - Source: ONNX QLinearConv, opset 10.
struct QLinearConv: StepOperator {
    private let window: WindowAttributes
    private let groups: Int
    private var isChannelsLast = false

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
        return [PlannedTensor(type, shape.output(isChannelsLast: isChannelsLast))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        guard builder.outputs[0].shape.elementCount > 0 else { return }
        let convolution = try convolution(builder.inputs)
        let type = builder.outputs[0].dataType
        let columns = convolution.shape.outputChannels
        let factors = try builder.temporary(byteCount: columns * 4)
        let offsets = try builder.temporary(byteCount: columns * 4)
        let scaleStep = try builder.inputs.shape(4).elementCount > 1 ? 1 : 0
        let hasBias = builder.inputs.has(8)
        builder.addParallelStep(count: columns, grain: 4096, operationCount: columns) {
            frame, range in
            let scale = (frame.input(1, as: Float.self)[0], frame.input(6, as: Float.self)[0])
            let weightScales = frame.input(4, as: Float.self)
            let bias = hasBias ? frame.input(8, as: Int32.self) : nil
            let factors = frame.memory(factors, as: Float.self)
            let offsets = frame.memory(offsets, as: Int32.self)
            for i in range {
                factors[i] = scale.0 * weightScales[i &* scaleStep] / scale.1
                offsets[i] = bias.map { $0[i] } ?? 0
            }
        }
        let (lowest, highest): (Float, Float) = type == .int8 ? (-128, 127) : (0, 255)
        let kernels = builder.kernels
        try convolution.plan(&builder) { frame, pixels, sums in
            let zero =
                type == .int8
                ? Float(frame.input(7, as: Int8.self)[0])
                : Float(frame.input(7, as: UInt8.self)[0])
            let y = frame.output(0, as: UInt8.self)
            for (index, pixel) in pixels.enumerated() {
                kernels.requantize_s32?(
                    sums + index * columns, columns, frame.memory(offsets, as: Int32.self),
                    frame.memory(factors, as: Float.self), zero, lowest, highest,
                    y + pixel * columns)
            }
        }
    }

    private func convolution(_ inputs: PlanInputs) throws(EngineError) -> IntegerConvolution {
        try IntegerConvolution(
            window, groups: groups,
            IntegerConvolution.Inputs(image: 0, imageZero: 2, weights: 3, weightZero: 5),
            isChannelsLast: isChannelsLast, inputs)
    }
}

extension QLinearConv: ImageOperator {
    func channelsLast(
        for inputs: PlanInputs, isLast: (Int) -> Bool
    ) throws(EngineError) -> ChannelsLastForm? {
        var form = self
        form.isChannelsLast = true
        return ChannelsLastForm(op: form, images: [0])
    }
}

extension QLinearConv {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.items()]
    }
}
