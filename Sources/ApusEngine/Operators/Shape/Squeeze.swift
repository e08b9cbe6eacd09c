internal import ApusCore

/// Drops dimensions of length 1: those that `axes` names, or all.
///
/// - Types: all. `axes` is an attribute before opset 13.
/// - Source: ONNX Squeeze, opset 25.
struct Squeeze: StepOperator {
    private let axes: [Int]?

    init(_ node: NodeReader) throws(EngineError) { axes = try node.ints("axes") }

    var contentInputs: [Int] { [1] }
    var movesElements: Bool { true }
    var keepsOrder: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        let given = try inputs.integers(1)
        var dropped = source.shape.indices.filter { source.shape[$0] == 1 }
        if let axes = given ?? axes {
            dropped = try inputs.normalized(axes: axes, rank: source.shape.count)
            for axis in dropped where source.shape[axis] != 1 {
                throw inputs.fail("axis \(axis) has length \(source.shape[axis]), expected 1")
            }
        }
        let kept = source.shape.indices.filter { !dropped.contains($0) }
        return [PlannedTensor(source.dataType, kept.map { source.shape[$0] })]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        builder.alias(output: 0, input: 0)
    }
}

/// Inserts dimensions of length 1 at `axes` of the result.
///
/// - Types: all. `axes` is an attribute before opset 13.
/// - Source: ONNX Unsqueeze, opset 25.
struct Unsqueeze: StepOperator {
    private let axes: [Int]?

    init(_ node: NodeReader) throws(EngineError) { axes = try node.ints("axes") }

    var contentInputs: [Int] { [1] }
    var movesElements: Bool { true }
    var keepsOrder: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        let given = try inputs.integers(1)
        guard let axes = given ?? axes else { throw inputs.fail("axes are missing") }
        let rank = source.shape.count + axes.count
        let inserted = try inputs.normalized(axes: axes, rank: rank)
        var shape = source.shape
        for axis in inserted { shape.insert(1, at: axis) }
        return [PlannedTensor(source.dataType, shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        builder.alias(output: 0, input: 0)
    }
}

extension Squeeze {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.reshaped()]
    }
}

extension Unsqueeze {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.reshaped()]
    }
}

extension Squeeze: RowFactOperator {
    func fact(through node: RowNode) throws(RowMixing) -> RowFact? { try node.movedFact() }
}

extension Unsqueeze: RowFactOperator {
    func fact(through node: RowNode) throws(RowMixing) -> RowFact? { try node.movedFact() }
}
