internal import ApusCore

/// A sequence without elements. - Source: ONNX SequenceEmpty, opset 11.
struct SequenceEmpty: ValueOperator {
    private let dataType: DataType

    init(_ node: NodeReader) throws(EngineError) { dataType = try node.dataType("dtype") ?? .float }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        [.sequence([], element: .tensor(dataType))]
    }
}
