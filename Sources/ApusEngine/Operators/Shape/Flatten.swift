internal import ApusCore

/// The elements as a matrix: dimensions before `axis` become rows, the others columns.
///
/// - Types: all. - Source: ONNX Flatten, opset 25.
struct Flatten: StepOperator {
    private let axis: Int

    init(_ node: NodeReader) throws(EngineError) { axis = try node.int("axis", default: 1) }

    var movesElements: Bool { true }
    var keepsOrder: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        let rank = source.shape.count
        guard axis >= -rank, axis <= rank else {
            throw inputs.fail("axis \(axis) is out of range for rank \(rank)")
        }
        let split = axis < 0 ? axis + rank : axis
        let rows = Array(source.shape[..<split]).elementCount
        let columns = Array(source.shape[split...]).elementCount
        return [PlannedTensor(source.dataType, [rows, columns])]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        builder.alias(output: 0, input: 0)
    }
}

extension Flatten {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.reshaped()]
    }
}

extension Flatten: RowFactOperator {
    func fact(through node: RowNode) throws(RowMixing) -> RowFact? { try node.movedFact() }
}
