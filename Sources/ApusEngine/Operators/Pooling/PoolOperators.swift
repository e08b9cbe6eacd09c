internal import ApusCore

/// A pool over windows.
struct WindowPoolOperator<Operation: Pooling>: StepOperator {
    private let window: WindowAttributes
    private let layout: PoolLayout
    private let operation: Operation

    init(_ node: NodeReader) throws(EngineError) {
        window = try WindowAttributes(node)
        layout = try PoolLayout(node)
        operation = try Operation(node)
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [PlannedTensor(try inputs.dataType(0), try pool(inputs).outputShape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        try pool(builder.inputs).plan(operation, &builder)
    }

    private func pool(_ inputs: PlanInputs) throws(EngineError) -> WindowPool {
        try WindowPool(image: try inputs.shape(0), window: window, layout: layout, inputs)
    }
}

/// A pool over whole planes.
///
/// - Shapes: `X [N, C, spatial]`, `Y [N, C, 1, …]`.
struct GlobalPoolOperator<Operation: Pooling>: StepOperator {
    private let layout: PoolLayout
    private let operation: Operation

    init(_ node: NodeReader) throws(EngineError) {
        layout = try PoolLayout(node)
        operation = try Operation(node)
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [PlannedTensor(try inputs.dataType(0), try pool(inputs).outputShape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        try pool(builder.inputs).plan(operation, &builder)
    }

    private func pool(_ inputs: PlanInputs) throws(EngineError) -> WindowPool {
        try WindowPool(image: try inputs.shape(0), window: nil, layout: layout, inputs)
    }
}
