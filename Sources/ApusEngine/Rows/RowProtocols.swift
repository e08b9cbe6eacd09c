import ApusCore

/// An operator on values whose output shapes follow from its inputs' all the same, so that rows can be
/// followed through it.
protocol ShapedValueOperator: ValueOperator {
    /// The outputs' types and shapes.
    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor]
}

/// An operator with sub-graphs through which rows can be followed.
protocol RowFlowOperator: ControlFlowOperator {
    /// - Parameters:
    ///   - inputs: of the node; nil where one is left out.
    ///   - captured: all values known so far, for the sub-graphs.
    /// - Returns: the node's outputs.
    /// - Throws: `RowMixing`, or the finding of a node inside.
    func rowValues(
        _ inputs: [RowAnalysis.Value?], captured: [String: RowAnalysis.Value],
        in analysis: RowAnalysis
    ) throws -> [RowAnalysis.Value]
}

extension Operator {
    /// What holds for an operator that says nothing: its rows may mix.
    public func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        guard
            node.inputRows.contains(where: { $0 != nil })
                || node.growingAxes.contains(where: { $0 != nil })
        else { return node.outputs.map { _ in nil } }
        throw RowMixing("is not known to keep the rows of the batch apart")
    }
}

extension ElementwiseOperator {
    public func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.broadcast()]
    }
}
