internal import ApusCore

/// The sequence of the inputs, tensors of one type. - Source: ONNX SequenceConstruct, opset 11.
struct SequenceConstruct: ValueOperator {
    init(_ node: NodeReader) throws(EngineError) {
        guard node.inputCount > 0 else { throw node.fail("has no inputs") }
    }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let type = try context.tensor(inputs, 0).dataType
        var elements: [Value] = []
        for index in inputs.indices {
            let tensor = try context.tensor(inputs, index)
            guard tensor.dataType == type else {
                throw context.fail("input \(index) is \(tensor.dataType), input 0 \(type)")
            }
            elements.append(.tensor(tensor))
        }
        return [.sequence(elements, element: .tensor(type))]
    }
}
