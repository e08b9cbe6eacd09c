internal import ApusCore

/// Ones on the `k`-th diagonal of a matrix of the input's shape, zeros elsewhere.
///
/// - Types: all numbers. - Source: ONNX EyeLike, opset 22.
struct EyeLike: StepOperator {
    private let dataType: DataType?
    private let diagonal: Int

    init(_ node: NodeReader) throws(EngineError) {
        dataType = try node.dataType("dtype")
        diagonal = try node.int("k", default: 0)
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        guard source.shape.count == 2 else {
            throw inputs.fail("input 0 has rank \(source.shape.count), expected 2")
        }
        return [PlannedTensor(dataType ?? source.dataType, source.shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let output = builder.outputs[0]
        let visitor = EyeBody(
            columns: output.shape[1],
            diagonal: min(max(diagonal, -output.shape[0]), output.shape[1]))
        guard let body = try output.dataType.visitNumber(visitor, takesBool: true) else {
            throw builder.inputs.fail("elements of type \(output.dataType) are not supported")
        }
        builder.addParallelStep(count: output.shape[0], grain: 16, body)
    }
}

private struct EyeBody: NumberVisitor {
    let columns: Int
    let diagonal: Int

    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        let (columns, diagonal) = (columns, diagonal)
        return { frame, range in
            let y = frame.output(0, as: Element.self)
            for row in range {
                let line = y + row * columns
                line.update(repeating: Element(storing: .zero), count: columns)
                let column = row + diagonal
                if column >= 0 && column < columns { line[column] = Element(storing: .one) }
            }
        }
    }
}
