internal import ApusCore

/// Convolution of 8-bit integers with a 32-bit result.
///
/// - Shapes: `x [N, C, spatial]`, `w [M, C / group, kernel]`, zero points scalar, for `w` also `[M]`;
///   `y [N, M, spatial']`. - Types: `int8` and `uint8` in every pair; `y` is `int32`.
/// - Source: ONNX ConvInteger, opset 10.
struct ConvInteger: StepOperator {
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
        return [PlannedTensor(.int32, shape.output(isChannelsLast: isChannelsLast))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        guard builder.outputs[0].shape.elementCount > 0 else { return }
        try convolution(builder.inputs).plan(&builder, store: nil)
    }

    private func convolution(_ inputs: PlanInputs) throws(EngineError) -> IntegerConvolution {
        try IntegerConvolution(
            window, groups: groups,
            IntegerConvolution.Inputs(image: 0, imageZero: 2, weights: 1, weightZero: 3),
            isChannelsLast: isChannelsLast, inputs)
    }
}

extension ConvInteger: ImageOperator {
    func channelsLast(
        for inputs: PlanInputs, isLast: (Int) -> Bool
    ) throws(EngineError) -> ChannelsLastForm? {
        var form = self
        form.isChannelsLast = true
        return ChannelsLastForm(op: form, images: [0])
    }
}

extension ConvInteger {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.items()]
    }
}
