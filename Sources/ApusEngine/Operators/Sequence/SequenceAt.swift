internal import ApusCore

/// The element of a sequence at a position. - Source: ONNX SequenceAt, opset 11.
struct SequenceAt: ValueOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let (elements, _) = try context.sequence(inputs, 0)
        guard let position = try context.integer(inputs, 1) else {
            throw context.fail("input 1 is missing")
        }
        return [elements[try context.normalized("position", position, length: elements.count)]]
    }
}
