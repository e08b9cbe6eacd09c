internal import ApusCore

/// `data` with blocks replaced by, or combined with, updates, at tuples of indices. Updates are
/// applied in order.
///
/// - Shapes: `updates` is `indices[..<last] + data[width..]`, `width` the length of a tuple.
/// - Types: all; with a reduction all numbers. - Source: ONNX ScatterND, opset 18.
struct ScatterND: StepOperator {
    private let reduction: ScatterReduction

    init(_ node: NodeReader) throws(EngineError) { reduction = try ScatterReduction(node) }

    var movesElements: Bool { reduction == .none }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let data = try inputs.tensor(0)
        let indices = try inputs.shape(1)
        guard let width = indices.last, width >= 1, width <= data.shape.count else {
            throw inputs.fail("indices of shape \(indices) do not fit data \(data.shape)")
        }
        let shape = Array(indices.dropLast() + data.shape[width...])
        guard try inputs.tensor(2) == PlannedTensor(data.dataType, shape) else {
            throw inputs.fail("updates have not the shape \(shape) and type \(data.dataType)")
        }
        return [data]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let data = try builder.inputs.tensor(0)
        let indices = try builder.inputs.shape(1)
        let tuples = IndexTuples(
            shape: data.shape, first: 0, width: indices[indices.count - 1],
            reader: try IndexReader(builder.inputs, input: 1))
        let combine = try reduction.combine(data.dataType, builder.inputs)
        try builder.addWholeCopy()
        guard let width = data.dataType.byteCount else { return }
        let count = Array(indices.dropLast()).elementCount
        builder.addStep(isSerial: true, operationCount: count * tuples.blockCount) {
            frame throws(EngineError) in
            let updates = frame.rawInput(2)
            let output = frame.rawOutput(0)
            let length = StepPiece.length(grain: 1, operationsPerItem: tuples.blockCount &+ 8)
            try frame.forEachPiece(of: 0..<count, length: length) { numbers throws(EngineError) in
                for number in numbers {
                    let place = try tuples.place(frame.rawInput(1), number)
                    combine(
                        output + place * width, updates + number * tuples.blockCount * width,
                        tuples.blockCount)
                }
            }
        }
    }
}
