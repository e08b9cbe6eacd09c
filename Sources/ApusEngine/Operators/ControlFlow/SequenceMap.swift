internal import ApusCore

/// A sub-graph that runs once per element of a sequence; its outputs are sequences.
///
/// - Inputs: a sequence, then sequences of the same length, whose elements go along, and tensors,
///   which each iteration gets whole. - Source: ONNX SequenceMap, opset 17.
struct SequenceMap: ControlFlowOperator {
    private let body: Program

    var bodies: [Program] { [body] }

    init(_ node: NodeReader) throws(EngineError) {
        body = try node.body("body")
        guard body.graph.inputs.count == node.inputCount,
            body.graph.outputs.count >= node.outputCount
        else {
            throw node.fail(
                "has \(node.inputCount) inputs and \(node.outputCount) outputs, but its body "
                    + "\(body.graph.inputs.count) and \(body.graph.outputs.count)")
        }
    }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let count = try context.sequence(inputs, 0).elements.count
        var values: [Value] = []
        for index in inputs.indices {
            let value = try context.value(inputs, index)
            if case .sequence(let elements, _) = value, elements.count != count {
                throw context.fail(
                    "input \(index) has \(elements.count) elements, input 0 has \(count)")
            }
            values.append(value)
        }
        var outputs: [[Value]] = body.graph.outputs.map { _ in [] }
        for position in 0..<count {
            try context.checkCancelled()
            let arguments = values.map { value in
                if case .sequence(let elements, _) = value { elements[position] } else { value }
            }
            for (index, result) in try context.run(body, arguments).enumerated() {
                outputs[index].append(result)
            }
        }
        return zip(body.graph.outputs, outputs).map { declared, elements in
            .sequence(elements, element: elements.first?.type ?? declared.type)
        }
    }
}
