internal import ApusCore

/// A sequence without the element at a position, or without its last.
///
/// - Source: ONNX SequenceErase, opset 11.
struct SequenceErase: ValueOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        var (elements, type) = try context.sequence(inputs, 0)
        let position = try context.integer(inputs, 1) ?? -1
        elements.remove(
            at: try context.normalized("position", position, length: elements.count))
        return [.sequence(elements, element: type)]
    }
}
