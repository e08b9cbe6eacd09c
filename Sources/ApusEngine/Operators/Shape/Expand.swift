internal import ApusCore

/// The input broadcast together with a shape.
///
/// - Types: all. - Source: ONNX Expand, opset 13.
struct Expand: StepOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    var contentInputs: [Int] { [1] }
    var movesElements: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        guard let wanted = try inputs.integers(1), wanted.allSatisfy({ $0 >= 0 }) else {
            throw inputs.fail("input 1 must be a shape")
        }
        return [PlannedTensor(source.dataType, try inputs.broadcast(source.shape, wanted))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.shape(0)
        let target = builder.outputs[0].shape
        if source.elementCount == target.elementCount {
            return builder.alias(output: 0, input: 0)
        }
        var strides = [Int](repeating: 0, count: target.count)
        let own = source.rowMajorStrides
        for (dimension, length) in source.enumerated() where length != 1 {
            strides[dimension + target.count - source.count] = own[dimension]
        }
        try builder.addCopy(
            StridedCopy(
                shape: target, sourceStrides: strides, targetStrides: target.rowMajorStrides),
            input: 0, output: 0)
    }
}

extension Expand {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        try node.requireNoRows()
        guard let rows = node.rows(0) else { return [node.uniform()] }
        return [rows.moved(to: rows.axis + node.outputShape.count - (try node.shape(0).count))]
    }
}

extension Expand: RowFactOperator {
    func fact(through node: RowNode) throws(RowMixing) -> RowFact? { try node.movedFact() }
}
