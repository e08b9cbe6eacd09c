internal import ApusCore

/// The same elements under another shape.
///
/// - Shapes: `shape` is 1-D (an attribute before opset 5); 0 copies the input's dimension (unless
///   `allowzero`), -1 is what is left over, at most once.
/// - Types: all.
/// - Source: ONNX Reshape, opset 25.
struct Reshape: StepOperator {
    private let allowsZero: Bool
    private let fixedShape: [Int]?

    init(_ node: NodeReader) throws(EngineError) {
        allowsZero = try node.flag("allowzero")
        fixedShape = node.opsetVersion < 5 ? try node.ints("shape") : nil
    }

    var contentInputs: [Int] { [1] }
    var movesElements: Bool { true }
    var keepsOrder: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        let given = try inputs.integers(1)
        guard let wanted = fixedShape ?? given else { throw inputs.fail("input 1 is missing") }
        return [PlannedTensor(source.dataType, try resolved(wanted, source.shape, inputs))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        builder.alias(output: 0, input: 0)
    }

    private func resolved(
        _ wanted: [Int], _ source: Shape, _ inputs: PlanInputs
    ) throws(EngineError) -> Shape {
        var shape = wanted
        for (index, length) in wanted.enumerated() where length == 0 && !allowsZero {
            guard index < source.count else {
                throw inputs.fail("shape \(wanted) copies dimension \(index), input has \(source)")
            }
            shape[index] = source[index]
        }
        let open = shape.indices.filter { shape[$0] == -1 }
        guard open.count <= 1, shape.allSatisfy({ $0 >= -1 }) else {
            throw inputs.fail("shape \(wanted) is not valid")
        }
        if let position = open.first {
            shape[position] = 1
            guard let known = shape.checkedElementCount, known > 0,
                source.elementCount % known == 0
            else { throw inputs.fail("input of shape \(source) does not fit shape \(wanted)") }
            shape[position] = source.elementCount / known
        }
        guard shape.checkedElementCount == source.elementCount else {
            throw inputs.fail("input of shape \(source) does not fit shape \(wanted)")
        }
        return shape
    }
}

extension Reshape {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.reshaped()]
    }
}

extension Reshape: RowFactOperator {
    func fact(through node: RowNode) throws(RowMixing) -> RowFact? { try node.movedFact() }
}
