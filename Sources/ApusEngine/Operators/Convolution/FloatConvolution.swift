internal import ApusCore
internal import CApusKernels

/// A convolution of any kind as products of packed matrices, in `float` with channels last: output
/// pixels are rows, and the row of a pixel is found through a table, tap by tap, without im2col.
///
/// Every output element is one chain of fused multiply-adds over taps (row-major), then channels.
struct FloatConvolution {
    var batch: Int
    var groups: Int
    /// Per group.
    var inputChannels: Int
    /// Per group.
    var outputChannels: Int
    var inputSpatial: [Int]
    var outputSpatial: [Int]
    var kernel: [Int]
    /// The input position of (dimension, output position, tap), or nil outside.
    var position: (Int, Int, Int) -> Int?
    /// The last dimension's window, if its taps are neighbours: they can be read as one.
    var mergeable: WindowAxis?
    var weights: ConvolutionWeights
    var biasInput: Int?
    var residualInput: Int?
    var activation = FusedActivation.none
    /// Whether input 0 is `float` with channels last.
    var inputIsChannelsLast = false
    /// Whether output 0 (and the residual) is `float` with channels last.
    var outputIsChannelsLast = false

    var outputPixels: Int { outputSpatial.reduce(1, *) }
    var isDepthwise: Bool { groups > 1 && inputChannels == 1 && outputChannels == 1 }

    /// Adds all steps.
    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let layout = ImageLayout(
            batch: batch, channels: groups * outputChannels, spatial: outputSpatial)
        let isDirect =
            outputIsChannelsLast || (layout.isTrivial && builder.outputs[0].dataType == .float)
        var target = builder.outputSlot(0)
        if !isDirect {
            guard let byteCount = PlannedTensor(.float, layout.shape).byteCount else {
                throw builder.inputs.fail("an image of shape \(layout.shape) is too large")
            }
            target = try builder.temporary(byteCount: byteCount)
        }
        try addProduct(&builder, target: target)
        if !isDirect { try builder.addChannelsFirst(from: target, output: 0, layout) }
    }

    /// Adds the steps that leave the result, with channels last, in `target`.
    func addProduct(
        _ builder: inout StepBuilder, target: BufferSlot
    ) throws(EngineError) {
        var layout = ImageLayout(
            batch: batch, channels: groups * inputChannels, spatial: inputSpatial)
        let merged = inputIsChannelsLast || isDepthwise ? nil : mergeable
        if let merged {
            layout.haloBegin = merged.padBegin
            let reach = (merged.output - 1) * merged.stride + merged.kernel
            layout.haloEnd = max(reach - merged.padBegin - merged.input, 0)
        }
        let source =
            inputIsChannelsLast
            ? builder.inputSlot(0) : try builder.channelsLast(input: 0, layout)
        let table = try table(layout, isMerged: merged != nil, builder)
        let packed = try weights.slot(
            &builder, isDepthwise ? .depthwise(channels: groups) : packing)
        var step = ConvolutionStep(
            kernels: builder.kernels, table: table, source: source, weights: packed,
            target: target)
        step.pixels = batch * outputPixels
        step.groups = isDepthwise ? 1 : groups
        step.channels = (isDepthwise ? groups : 1) * inputChannels * (merged?.kernel ?? 1)
        step.columns = isDepthwise ? groups : outputChannels
        step.inputStride = groups * inputChannels
        step.isDepthwise = isDepthwise
        step.isPlain = isPlain
        step.weightCount = groups * inputChannels * outputChannels * kernel.reduce(1, *)
        if let biasInput { step.bias = try builder.floatInput(biasInput) }
        step.residual = residualInput.map { builder.inputSlot($0) }
        step.activation = activation
        let scratch = try step.prepare(builder)
        let multiplications = step.pixels.multipliedReportingOverflow(
            by: step.weightCount / max(step.isDepthwise ? 1 : groups, 1))
        builder.addStep(
            scratchByteCount: scratch,
            operationCount: multiplications.overflow ? Int.max / 4 : multiplications.partialValue
        ) { [step] frame in step.run(frame) }
    }

    private var packing: ConvolutionWeights.Packing {
        .panels(
            groups: groups, channels: inputChannels, columns: outputChannels,
            taps: kernel.reduce(1, *))
    }

    /// One tap per pixel, at the pixel itself: rows are the image's own.
    private var isPlain: Bool {
        !isDepthwise && kernel.allSatisfy { $0 == 1 } && inputSpatial == outputSpatial
            && inputSpatial.indices.allSatisfy { dimension in
                let length = outputSpatial[dimension]
                return length == 0
                    || (position(dimension, 0, 0) == 0
                        && position(dimension, length - 1, 0) == length - 1)
            }
    }

    private func table(
        _ layout: ImageLayout, isMerged: Bool, _ builder: StepBuilder
    ) throws(EngineError) -> WindowTable {
        let channels = groups * inputChannels
        var spatial = inputSpatial
        var taps = kernel
        let last = spatial.count - 1
        spatial[last] += layout.haloBegin + layout.haloEnd
        if isMerged { taps[last] = 1 }
        let stride = mergeable?.stride ?? 1
        let position = position
        return try WindowTable(
            outputs: outputSpatial, taps: taps,
            strides: spatial.rowMajorStrides.map { $0 * channels },
            imageStride: spatial.reduce(channels, *), builder: builder
        ) { dimension, output, tap in
            isMerged && dimension == last ? output * stride : position(dimension, output, tap)
        }
    }
}

/// The activation at the end of a fused operator.
struct FusedActivation: Sendable {
    /// An `apus_unary`, or -1.
    var code: Int32
    var parameters: (Float, Float)

    static let none = FusedActivation(code: -1, parameters: (0, 0))
}

extension StepBuilder {
    var memoryByteCountMax: Int { assembler.services.memoryByteCountMax }

    /// An input of a float type as aligned floats: the input itself, or a converted copy.
    mutating func floatInput(_ index: Int) throws(EngineError) -> BufferSlot {
        let tensor = try inputs.tensor(index)
        if tensor.dataType == .float { return inputSlot(index) }
        let count = tensor.shape.elementCount
        let target = try temporary(byteCount: count * 4)
        let visitor = FloatCopy(input: index, target: target)
        guard let body = try tensor.dataType.visitFloat(visitor) else {
            throw inputs.fail("elements of type \(tensor.dataType) are not supported")
        }
        addParallelStep(count: count, grain: 4096, operationCount: count, body)
        return target
    }
}

private struct FloatCopy: FloatVisitor {
    let input: Int
    let target: BufferSlot

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let (input, target) = (input, target)
        return { frame, range in
            let x = frame.input(input, as: Element.self)
            let y = frame.memory(target, as: Float.self)
            for index in range { y[index] = Float(x[index].value) }
        }
    }
}
