internal import ApusCore
internal import CApusKernels

/// Convolution: ONNX Conv, and the engine's own `apus.Conv`, into which passes fuse what follows:
/// `Y = activation(Conv(X, W) * S + B + Z)`.
///
/// - Shapes: `X [N, C, spatial]`, `W [M, C / group, kernel]`, `B [M]`; `Y [N, M, spatial']`; `Z` has
///   the rank of `Y` and broadcasts with it, `S [M]` is a constant that the packed weights take in.
///   The form for channels last sees `X` (but for a narrow image), `Y` and `Z` in that order.
/// - Types: floats; half precision accumulates in `float`. `Z` and `S` are `float`.
/// - Source: ONNX Conv, opset 22.
struct Conv: StepOperator {
    private let window: WindowAttributes
    private let groups: Int
    private var inputIsChannelsLast = false
    private var outputIsChannelsLast = false
    private let activation: FusedActivation

    init(_ node: NodeReader) throws(EngineError) {
        window = try WindowAttributes(node)
        groups = try node.int("group", default: 1)
        guard groups >= 1 else { throw node.fail("group is \(groups), allowed is 1 or more") }
        activation = node.node.domain == "apus" ? try FusedActivation(node) : .none
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let shape = try resolved(inputs)
        let own = shape.output(isChannelsLast: outputIsChannelsLast)
        let type = try inputs.dataType(0)
        for index in 1..<3 where inputs.has(index) {
            let other = try inputs.dataType(index)
            guard other == type else {
                throw inputs.fail("input \(index) is \(other), input 0 is \(type)")
            }
        }
        for index in 3..<5 where inputs.has(index) {
            guard type == .float, try inputs.dataType(index) == .float else {
                throw inputs.fail("input \(index) needs floats throughout")
            }
        }
        if inputs.has(4), try inputs.shape(4) != [shape.outputChannels] {
            throw inputs.fail(
                "the scale has shape \(try inputs.shape(4)), expected [\(shape.outputChannels)]")
        }
        guard inputs.has(3) else { return [PlannedTensor(type, own)] }
        return [PlannedTensor(type, try inputs.broadcast(own, try inputs.shape(3)))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let shape = try resolved(builder.inputs)
        let type = try builder.inputs.dataType(0)
        guard builder.outputs[0].shape.elementCount > 0 else { return }
        if type == .double {
            return try builder.addDirectConvolution(shape, bias: builder.inputs.has(2) ? 2 : nil)
        }
        var convolution = shape.floatConvolution
        convolution.biasInput = builder.inputs.has(2) ? 2 : nil
        convolution.weights.scaleInput = builder.inputs.has(4) ? 4 : nil
        convolution.activation = activation
        convolution.inputIsChannelsLast = inputIsChannelsLast
        convolution.outputIsChannelsLast = outputIsChannelsLast
        guard builder.inputs.has(3) else { return try convolution.plan(&builder) }
        let own = shape.output(isChannelsLast: outputIsChannelsLast)
        let residual = try builder.inputs.shape(3)
        if own == residual && outputIsChannelsLast {
            convolution.residualInput = 3
            builder.mayReuse(input: 3, forOutput: 0)
            return try convolution.plan(&builder)
        }
        try addUnfused(convolution, own, residual, &builder)
    }

    private func resolved(_ inputs: PlanInputs) throws(EngineError) -> ConvolutionShape {
        let shape = try ConvolutionShape(
            window, groups: groups, image: try inputs.shape(0), weights: try inputs.shape(1),
            isChannelsLast: inputIsChannelsLast, inputs)
        if inputs.has(2), try inputs.shape(2) != [shape.outputChannels] {
            throw inputs.fail(
                "the bias has shape \(try inputs.shape(2)), expected [\(shape.outputChannels)]")
        }
        return shape
    }

    /// A residual that only broadcasts to the result is added after the convolution.
    private func addUnfused(
        _ convolution: FloatConvolution, _ own: Shape, _ residual: Shape,
        _ builder: inout StepBuilder
    ) throws(EngineError) {
        guard outputIsChannelsLast else {
            throw builder.inputs.fail(
                "a residual of shape \(residual) does not fit a result of shape \(own)")
        }
        var plain = convolution
        plain.activation = .none
        let product = try builder.temporary(byteCount: own.elementCount * 4)
        try plain.addProduct(&builder, target: product)
        let output = builder.outputs[0].shape
        let layout = StridedLayout(output: output, broadcasting: [own, residual])
        let (kernels, activation) = (builder.kernels, activation)
        builder.addParallelStep(
            count: layout.count, grain: 1024, operationCount: layout.count
        ) { frame, range in
            let x = frame.memory(product, as: Float.self)
            let z = frame.input(3, as: Float.self)
            let y = frame.output(0, as: Float.self)
            let (xStep, zStep) = (layout.innerStrides[0], layout.innerStrides[1])
            layout.forEachRun(range) { run in
                for i in 0..<run.count {
                    y[run.start + i] =
                        x[run.offsets[0] + i * xStep] + z[run.offsets[1] + i * zStep]
                }
            }
            activation.apply(y + range.lowerBound, count: range.count, kernels)
        }
    }
}

extension Conv: ImageOperator {
    /// An image of few channels, as it comes from outside, is turned on the way: with halos, so that
    /// a whole row of taps is read at once.
    func channelsLast(
        for inputs: PlanInputs, isLast: (Int) -> Bool
    ) throws(EngineError) -> ChannelsLastForm? {
        guard try inputs.dataType(0) == .float else { return nil }
        let shape = try resolved(inputs)
        var form = self
        form.outputIsChannelsLast = true
        form.inputIsChannelsLast = isLast(0) || shape.inputChannels > 4 || groups > 1
        var images: Set<Int> = form.inputIsChannelsLast ? [0] : []
        if inputs.has(3) { images.insert(3) }
        return ChannelsLastForm(op: form, images: images)
    }
}

/// The sizes of a convolution, checked against each other.
struct ConvolutionShape {
    let batch: Int
    let groups: Int
    let inputChannels: Int
    let outputChannels: Int
    let axes: [WindowAxis]

    /// - Parameter weights: the shape `[M, C / group, kernel]`.
    init(
        _ window: WindowAttributes, groups: Int, image: Shape, weights: Shape,
        isChannelsLast: Bool = false, _ inputs: PlanInputs
    ) throws(EngineError) {
        guard image.count >= 3, weights.count == image.count else {
            throw inputs.fail(
                "an image of shape \(image) and weights of shape \(weights) need 3 or more "
                    + "dimensions, as many as each other")
        }
        batch = image[0]
        self.groups = groups
        inputChannels = isChannelsLast ? image[image.count - 1] : image[1]
        outputChannels = weights[0]
        let spatial = Array(isChannelsLast ? image[1..<image.count - 1] : image[2...])
        guard inputChannels % groups == 0, outputChannels % groups == 0,
            weights[1] == inputChannels / groups, weights[1] > 0
        else {
            throw inputs.fail(
                "weights of shape \(weights) do not fit \(inputChannels) channels in \(groups) "
                    + "groups")
        }
        let kernel = try window.kernel(
            weights: Array(weights[2...]), rank: spatial.count, inputs)
        axes = try window.axes(spatial: spatial, kernel: kernel, inputs)
    }

    var inputSpatial: [Int] { axes.map(\.input) }
    var outputSpatial: [Int] { axes.map(\.output) }
    var kernel: [Int] { axes.map(\.kernel) }
    var tapCount: Int { kernel.reduce(1, *) }

    func output(isChannelsLast: Bool) -> Shape {
        isChannelsLast
            ? [batch] + outputSpatial + [outputChannels]
            : [batch, outputChannels] + outputSpatial
    }

    var floatConvolution: FloatConvolution {
        let axes = axes
        let (inputs, outputs) = (inputChannels / groups, outputChannels / groups)
        let last = axes[axes.count - 1]
        return FloatConvolution(
            batch: batch, groups: groups, inputChannels: inputs, outputChannels: outputs,
            inputSpatial: inputSpatial, outputSpatial: outputSpatial, kernel: kernel,
            position: { dimension, output, tap in
                let position = axes[dimension].position(of: output, tap: tap)
                return position >= 0 && position < axes[dimension].input ? position : nil
            },
            mergeable: last.dilation == 1 && last.kernel > 1 && groups == 1 ? last : nil,
            weights: ConvolutionWeights(
                input: 1, groupStride: outputs * inputs * tapCount,
                columnStride: inputs * tapCount, channelStride: tapCount))
    }
}

extension FusedActivation {
    /// Attributes `activation`, an ONNX name, and `activation_parameters`.
    init(_ node: NodeReader) throws(EngineError) {
        let name = try node.string("activation", default: "")
        let values = try node.floats("activation_parameters") ?? []
        guard name.isEmpty || Self.codes[name] != nil, values.count <= 2 else {
            throw node.fail("activation \"\(name)\" of \(values) is not supported")
        }
        code = Self.codes[name].map { Int32($0.rawValue) } ?? -1
        parameters = (values.first ?? 0, values.count > 1 ? values[1] : 0)
    }

    /// The functions that the end of a product can apply.
    static let codes: [String: apus_unary] = [
        "Relu": APUS_UNARY_RELU, "Clip": APUS_UNARY_CLIP, "HardSwish": APUS_UNARY_HARD_SWISH,
        "Sigmoid": APUS_UNARY_SIGMOID, "LeakyRelu": APUS_UNARY_LEAKY_RELU,
        "Silu": APUS_UNARY_SILU, "Tanh": APUS_UNARY_TANH,
        "HardSigmoid": APUS_UNARY_HARD_SIGMOID, "Elu": APUS_UNARY_ELU,
        "Gelu": APUS_UNARY_GELU_ERF, "GeluTanh": APUS_UNARY_GELU_TANH,
    ]

    /// Applies it to values in place.
    func apply(_ values: UnsafeMutablePointer<Float>, count: Int, _ kernels: Kernels) {
        guard code >= 0 else { return }
        withUnsafeBytes(of: parameters) {
            kernels.unary_f32?(
                apus_unary(UInt32(code)), values, values, count,
                $0.assumingMemoryBound(to: Float.self).baseAddress)
        }
    }
}

extension Conv {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.items(alsoBatched: [3])]
    }
}
