internal import ApusCore

/// An optional with a value, or an empty one of a given type: ONNX Optional.
///
/// - Source: ONNX Optional, opset 15.
struct OptionalOperator: ValueOperator {
    private let type: ValueType?

    init(_ node: NodeReader) throws(EngineError) {
        type = try node.type("type")
        guard type != nil || node.hasInput(0) else {
            throw node.fail("has neither an input nor a type")
        }
    }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        switch inputs.first ?? nil {
        case .some(.optional), .some(.map):
            throw context.fail("takes a tensor or a sequence")
        case .some(let value): return [.optional(value, element: value.type)]
        case nil: return [.optional(nil, element: type ?? .tensor(.float))]
        }
    }
}
