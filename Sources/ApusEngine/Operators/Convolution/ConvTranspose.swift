internal import ApusCore

/// Transposed convolution: every input element spreads over a window of the output.
///
/// Computed by output element: tap k of output position o reads input position
/// `(o + pad - k * dilation) / stride` where that is whole.
///
/// - Shapes: `X [N, C, spatial]`, `W [C, M / group, kernel]`, `B [M]`; `Y [N, M, spatial']` with
///   `spatial' = stride * (spatial - 1) + output_padding + (kernel - 1) * dilation + 1 - pads`.
/// - Types: floats; half precision accumulates in `float`.
/// - Source: ONNX ConvTranspose, opset 22.
struct ConvTranspose: StepOperator {
    private let window: WindowAttributes
    private let groups: Int
    private let outputPadding: [Int]?
    private let outputShape: [Int]?
    /// Input and output have channels last.
    private var isChannelsLast = false

    init(_ node: NodeReader) throws(EngineError) {
        window = try WindowAttributes(node)
        groups = try node.int("group", default: 1)
        guard groups >= 1 else { throw node.fail("group is \(groups), allowed is 1 or more") }
        outputPadding = try node.ints("output_padding").flatMap { $0.isEmpty ? nil : $0 }
        outputShape = try node.ints("output_shape").flatMap { $0.isEmpty ? nil : $0 }
        for values in [outputPadding ?? [], outputShape ?? []] {
            for value in values where value < 0 || value > WindowAttributes.sizeMax {
                throw node.fail(
                    "output_padding or output_shape \(values), allowed are 0 to "
                        + "\(WindowAttributes.sizeMax)")
            }
        }
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let axes = try axes(inputs)
        let channels = try inputs.shape(1)[1] * groups
        let type = try inputs.dataType(0)
        for index in 1..<3 where inputs.has(index) {
            let other = try inputs.dataType(index)
            guard other == type else {
                throw inputs.fail("input \(index) is \(other), input 0 is \(type)")
            }
        }
        if inputs.has(2), try inputs.shape(2) != [channels] {
            throw inputs.fail(
                "the bias has shape \(try inputs.shape(2)), expected [\(channels)]")
        }
        let shape = [try inputs.shape(0)[0], channels] + axes.map(\.output)
        return [PlannedTensor(type, isChannelsLast ? shape.channelsLast : shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        guard builder.outputs[0].shape.elementCount > 0 else { return }
        let axes = try axes(builder.inputs)
        let weights = try builder.inputs.shape(1)
        let inputChannels = weights[0] / groups
        let taps = axes.reduce(1) { $0 * $1.kernel }
        var convolution = FloatConvolution(
            batch: builder.outputs[0].shape[0], groups: groups, inputChannels: inputChannels,
            outputChannels: weights[1], inputSpatial: axes.map(\.input),
            outputSpatial: axes.map(\.output), kernel: axes.map(\.kernel),
            position: { dimension, output, tap in
                let axis = axes[dimension]
                let spread = output + axis.padBegin - tap * axis.dilation
                guard spread >= 0, spread % axis.stride == 0 else { return nil }
                let position = spread / axis.stride
                return position < axis.input ? position : nil
            }, mergeable: nil,
            weights: ConvolutionWeights(
                input: 1, groupStride: inputChannels * weights[1] * taps, columnStride: taps,
                channelStride: weights[1] * taps),
            biasInput: builder.inputs.has(2) ? 2 : nil)
        convolution.inputIsChannelsLast = isChannelsLast
        convolution.outputIsChannelsLast = isChannelsLast
        if try builder.inputs.dataType(0) == .double {
            try builder.addDirectConvolution(convolution, bias: convolution.biasInput)
        } else {
            try convolution.plan(&builder)
        }
    }

    /// Axes whose `input` and `output` are the image's: the window slides over the output.
    private func axes(_ inputs: PlanInputs) throws(EngineError) -> [WindowAxis] {
        var image = try inputs.shape(0)
        if isChannelsLast && image.count > 1 { image.insert(image.removeLast(), at: 1) }
        let weights = try inputs.shape(1)
        guard image.count >= 3, weights.count == image.count, weights[0] == image[1],
            image[1] > 0, image[1] % groups == 0,
            weights[1].multipliedReportingOverflow(by: groups).overflow == false
        else {
            throw inputs.fail(
                "weights of shape \(weights) do not fit an image of shape \(image) in \(groups) "
                    + "groups")
        }
        let rank = image.count - 2
        let kernel = try window.kernel(weights: Array(weights[2...]), rank: rank, inputs)
        let (strides, dilations, pads) = try window.lists(rank: rank, inputs)
        // Some exporters write batch and channels into output_shape, too.
        let lengths = outputShape.map { $0.count == rank + 2 ? Array($0[2...]) : $0 }
        let extra = outputPadding ?? [Int](repeating: 0, count: rank)
        guard extra.count == rank, lengths == nil || lengths?.count == rank else {
            throw inputs.fail(
                "output_padding or output_shape do not have \(rank) values")
        }
        var axes: [WindowAxis] = []
        for index in 0..<rank {
            guard image[index + 2] >= 1, image[index + 2] <= 1 << 30 else {
                throw inputs.fail("an image of shape \(image) cannot be spread")
            }
            var axis = WindowAxis(
                input: image[index + 2], output: 0, kernel: kernel[index],
                stride: strides[index], dilation: dilations[index], padBegin: pads[index],
                padEnd: pads[index + rank])
            place(&axis, extra: extra[index], length: lengths?[index])
            guard axis.output >= 0 else {
                throw inputs.fail("the pads \(pads) take more than there is")
            }
            axes.append(axis)
        }
        return axes
    }

    private func place(_ axis: inout WindowAxis, extra: Int, length: Int?) {
        let full = axis.stride * (axis.input - 1) + extra + axis.extent
        let isSame = window.padding == .sameUpper || window.padding == .sameLower
        guard let length = length ?? (isSame ? axis.input * axis.stride : nil) else {
            if window.padding == .valid { (axis.padBegin, axis.padEnd) = (0, 0) }
            axis.output = full - axis.padBegin - axis.padEnd
            return
        }
        // Negative where the result is longer than what the windows reach.
        let total = full - length
        axis.output = length
        if window.padding == .sameUpper {
            axis.padBegin = max(total, 0) / 2
        } else {
            axis.padBegin = max(total, 0) - max(total, 0) / 2
        }
        axis.padEnd = total - axis.padBegin
    }
}

extension ConvTranspose: ImageOperator {
    func channelsLast(
        for inputs: PlanInputs, isLast: (Int) -> Bool
    ) throws(EngineError) -> ChannelsLastForm? {
        guard try inputs.dataType(0) == .float else { return nil }
        var form = self
        form.isChannelsLast = true
        return ChannelsLastForm(op: form, images: [0])
    }
}

extension ConvTranspose {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.items()]
    }
}
