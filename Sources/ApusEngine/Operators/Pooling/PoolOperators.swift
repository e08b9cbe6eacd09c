internal import ApusCore

/// A pool over windows.
struct WindowPoolOperator<Operation: Pooling>: StepOperator {
    private let window: WindowAttributes
    private var isChannelsLast = false
    private let operation: Operation

    init(_ node: NodeReader) throws(EngineError) {
        window = try WindowAttributes(node)
        operation = try Operation(node)
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [PlannedTensor(try inputs.dataType(0), try pool(inputs).outputShape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        try pool(builder.inputs).plan(operation, &builder)
    }

    private func pool(_ inputs: PlanInputs) throws(EngineError) -> WindowPool {
        try WindowPool(
            image: try inputs.shape(0), window: window, isChannelsLast: isChannelsLast, inputs)
    }
}

extension WindowPoolOperator: ImageOperator {
    func channelsLast(
        for inputs: PlanInputs, isLast: (Int) -> Bool
    ) throws(EngineError) -> ChannelsLastForm? {
        guard operation.kernel != nil, try inputs.dataType(0) == .float else { return nil }
        var form = self
        form.isChannelsLast = true
        return ChannelsLastForm(op: form, images: [0])
    }
}

/// A pool over whole planes.
///
/// - Shapes: `X [N, C, spatial]`, `Y [N, C, 1, …]`.
struct GlobalPoolOperator<Operation: Pooling>: StepOperator {
    private var isChannelsLast = false
    private let operation: Operation

    init(_ node: NodeReader) throws(EngineError) {
        operation = try Operation(node)
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [PlannedTensor(try inputs.dataType(0), try pool(inputs).outputShape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        try pool(builder.inputs).plan(operation, &builder)
    }

    private func pool(_ inputs: PlanInputs) throws(EngineError) -> WindowPool {
        try WindowPool(
            image: try inputs.shape(0), window: nil, isChannelsLast: isChannelsLast, inputs)
    }
}

extension GlobalPoolOperator: ImageOperator {
    func channelsLast(
        for inputs: PlanInputs, isLast: (Int) -> Bool
    ) throws(EngineError) -> ChannelsLastForm? {
        guard isLast(0), operation.kernel != nil, try inputs.dataType(0) == .float else {
            return nil
        }
        var form = self
        form.isChannelsLast = true
        return ChannelsLastForm(op: form, images: [0])
    }
}

extension WindowPoolOperator {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.items()]
    }
}

extension GlobalPoolOperator {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.items()]
    }
}
