internal import ApusCore

/// The value itself, of any type: tensors, sequences, optionals.
///
/// A tensor shares the input's memory; other values make the program run on values.
struct Identity: ElementwiseOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    var movesElements: Bool { true }
    var keepsOrder: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [try inputs.tensor(0)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        builder.alias(output: 0, input: 0)
    }
}

extension Identity: RowFactOperator {
    func fact(through node: RowNode) throws(RowMixing) -> RowFact? { try node.movedFact() }
}
