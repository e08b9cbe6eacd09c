internal import ApusCore

/// Whether an optional holds a value; tensors and sequences do, an input that is left out does not.
///
/// - Source: ONNX OptionalHasElement, opset 18.
struct OptionalHasElement: ValueOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let hasElement =
            switch inputs.first ?? nil {
            case nil, .some(.optional(nil, _)): false
            default: true
            }
        return [try context.make(.bool, [], [hasElement])]
    }
}
