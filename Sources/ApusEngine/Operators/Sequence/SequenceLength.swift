internal import ApusCore

/// The number of elements of a sequence, a scalar. - Source: ONNX SequenceLength, opset 11.
struct SequenceLength: ValueOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        [try context.make(.int64, [], [try context.sequence(inputs, 0).elements.count])]
    }
}
