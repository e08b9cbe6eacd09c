internal import ApusCore

/// The value that an optional holds; a tensor or sequence is its own element.
///
/// - Throws: for an empty optional. - Source: ONNX OptionalGetElement, opset 18.
struct OptionalGetElement: ValueOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        switch try context.value(inputs, 0) {
        case .optional(let value?, _): return [value]
        case .optional(nil, _): throw context.fail("the optional is empty")
        case let value: return [value]
        }
    }
}
