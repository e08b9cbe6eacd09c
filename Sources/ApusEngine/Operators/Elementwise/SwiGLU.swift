internal import ApusCore

/// `Y = A * sigmoid(alpha * A) * B`.
///
/// - Shapes: `A` and `B` have one shape, the result's.
/// - Types: `float`, `double`, `float16`, `bfloat16`; the half precision types compute in `float`.
/// - Source: ONNX SwiGLU, opset 28.
struct SwiGLU: StepOperator {
    private let gate: Swish

    init(_ node: NodeReader) throws(EngineError) { gate = try Swish(node) }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let (a, b) = (try inputs.tensor(0), try inputs.tensor(1))
        guard a == b else {
            throw inputs.fail(
                "A is \(a.dataType) \(a.shape) and B is \(b.dataType) \(b.shape); they must agree")
        }
        return [a]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let type = try builder.inputs.dataType(0)
        guard let body = try type.visitFloat(SwiGLUBody(gate: gate)) else {
            throw builder.inputs.fail("elements of type \(type) are not supported")
        }
        builder.addElementwise(body)
    }
}

private struct SwiGLUBody: FloatVisitor {
    let gate: Swish

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let gate = gate
        return { frame, range in
            let a = frame.input(0, as: Element.self)
            let b = frame.input(1, as: Element.self)
            let y = frame.output(0, as: Element.self)
            for i in range { y[i] = Element(storing: gate(a[i].value) * b[i].value) }
        }
    }
}

extension SwiGLU {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.broadcast()]
    }
}
