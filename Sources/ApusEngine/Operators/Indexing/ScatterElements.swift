internal import ApusCore

/// `data` with single elements replaced by, or combined with, updates: ONNX ScatterElements and the
/// older Scatter. Updates are applied in order.
///
/// - Shapes: `indices` and `updates` have one shape, of the rank of `data`.
/// - Types: all; with a reduction all numbers. - Source: ONNX ScatterElements, opset 18.
struct ScatterElements: StepOperator {
    private let axis: Int
    private let reduction: ScatterReduction

    init(_ node: NodeReader) throws(EngineError) {
        axis = try node.int("axis", default: 0)
        reduction = try ScatterReduction(node)
    }

    var movesElements: Bool { reduction == .none }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let data = try inputs.tensor(0)
        let indices = try inputs.shape(1)
        _ = try inputs.elementwiseAxis(axis, data: data.shape, indices: indices)
        guard try inputs.tensor(2) == PlannedTensor(data.dataType, indices) else {
            throw inputs.fail("updates have not the shape \(indices) and type \(data.dataType)")
        }
        return [data]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let data = try builder.inputs.tensor(0)
        let indices = try builder.inputs.shape(1)
        let axis = try builder.inputs.elementwiseAxis(axis, data: data.shape, indices: indices)
        let places = ElementPlaces(
            data: data.shape, indices: indices, axis: axis,
            reader: try IndexReader(builder.inputs, input: 1))
        let combine = try reduction.combine(data.dataType, builder.inputs)
        try builder.addWholeCopy()
        guard let width = data.dataType.byteCount, places.layout.count > 0 else { return }
        builder.addStep(isSerial: true, operationCount: places.layout.count * 4) {
            frame throws(EngineError) in
            let updates = frame.rawInput(2)
            let output = frame.rawOutput(0)
            try frame.forEachPiece(
                of: 0..<places.layout.count, length: StepPiece.operationCount / 4
            ) { range throws(EngineError) in
                try places.forEach(frame.rawInput(1), range) { position, place in
                    combine(output + place * width, updates + position * width, 1)
                }
            }
        }
    }
}

extension ScatterElements {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let axis = try node.normalized(axis: axis, rank: try node.shape(0).count)
        return [try node.aligned([0, 1, 2], apartFrom: axis, doing: "scatters into")]
    }
}
