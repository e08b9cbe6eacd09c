internal import ApusCore

/// The slices along one axis, or the elements of the flat tensor, where a condition holds. The
/// condition may be shorter.
///
/// - Types: all. - Source: ONNX Compress, opset 11.
struct Compress: StepOperator {
    private let axis: Int?

    init(_ node: NodeReader) throws(EngineError) { axis = try node.int("axis") }

    var contentInputs: [Int] { [1] }
    var movesElements: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        let (shape, axis) = try view(inputs)
        var output = shape
        output[axis] = try chosen(shape[axis], inputs).count
        return [PlannedTensor(source.dataType, output)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        guard try builder.hasElementsToMap() else { return }
        let (shape, axis) = try view(builder.inputs)
        let chosen = try chosen(shape[axis], builder.inputs)
        try builder.charge(byteCount: (shape.reduce(chosen.count, +)) * 8)
        var maps = shape.map { Array(0..<$0) }
        maps[axis] = chosen
        try builder.addIndexedCopy(
            IndexedCopy(maps: maps, sourceStrides: shape.rowMajorStrides, fillInput: nil))
    }

    private func view(_ inputs: PlanInputs) throws(EngineError) -> (Shape, Int) {
        let shape = try inputs.shape(0)
        guard let axis else { return ([shape.elementCount], 0) }
        return (shape, try inputs.normalized(axis: axis, rank: shape.count))
    }

    private func chosen(_ length: Int, _ inputs: PlanInputs) throws(EngineError) -> [Int] {
        guard let condition = try inputs.integers(1), condition.count <= length else {
            throw inputs.fail("the condition is longer than the axis of length \(length)")
        }
        return condition.indices.filter { condition[$0] != 0 }
    }
}
