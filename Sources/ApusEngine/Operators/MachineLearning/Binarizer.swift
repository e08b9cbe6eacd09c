internal import ApusCore

/// 1 where an element is over the threshold, 0 elsewhere.
///
/// - Types: all numbers; the result has the same. - Source: ai.onnx.ml Binarizer, version 1.
struct Binarizer: StepOperator {
    private let threshold: Float

    init(_ node: NodeReader) throws(EngineError) {
        threshold = try node.float("threshold", default: 0)
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [try inputs.tensor(0)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let input = try builder.inputs.tensor(0)
        guard let body = try input.dataType.visitNumber(BinarizerBody(threshold: threshold)) else {
            throw builder.inputs.fail("elements of type \(input.dataType) are not supported")
        }
        builder.mayReuse(input: 0, forOutput: 0)
        let count = input.shape.elementCount
        builder.addParallelStep(count: count, grain: 1024, operationCount: count, body)
    }
}

private struct BinarizerBody: NumberVisitor {
    let threshold: Float

    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        let threshold = Double(threshold)
        return { frame, range in
            let x = frame.input(0, as: Element.self)
            let y = frame.output(0, as: Element.self)
            for i in range {
                y[i] = Element(storing: x[i].value.asDouble > threshold ? .one : .zero)
            }
        }
    }
}

extension Binarizer {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [node.rows(0)]
    }
}
