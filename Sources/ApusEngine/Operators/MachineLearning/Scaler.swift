internal import ApusCore

/// `(x - offset) * scale`, per feature or the same for all.
///
/// - Shapes: features along the last dimension. - Types: `float`, `double`, `int64`, `int32`; the
///   result is `float`. - Source: ai.onnx.ml Scaler, version 1.
struct Scaler: StepOperator {
    private let offset: [Float]
    private let scale: [Float]

    init(_ node: NodeReader) throws(EngineError) {
        let offset = try node.floats("offset") ?? []
        let scale = try node.floats("scale") ?? []
        let count = max(offset.count, scale.count, 1)
        guard [0, count].contains(offset.count), [0, count].contains(scale.count) else {
            throw node.fail(
                "attributes \"offset\" and \"scale\" have \(offset.count) and \(scale.count) values"
            )
        }
        self.offset = offset.isEmpty ? Array(repeating: 0, count: count) : offset
        self.scale = scale.isEmpty ? Array(repeating: 1, count: count) : scale
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let input = try inputs.tensor(0)
        guard scale.count == 1 || input.shape.last == scale.count else {
            throw inputs.fail(
                "the input has shape \(input.shape), but \(scale.count) features are scaled")
        }
        return [PlannedTensor(.float, input.shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let input = try builder.inputs.tensor(0)
        guard let body = try input.dataType.visitNumber(ScalerBody(offset: offset, scale: scale))
        else { throw builder.inputs.fail("elements of type \(input.dataType) cannot be scaled") }
        let count = input.shape.elementCount
        if input.dataType == .float { builder.mayReuse(input: 0, forOutput: 0) }
        builder.addParallelStep(count: count, grain: 1024, operationCount: 2 * count, body)
    }
}

private struct ScalerBody: NumberVisitor {
    let offset: [Float]
    let scale: [Float]

    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        let (offset, scale) = (offset, scale)
        return { frame, range in
            let x = frame.input(0, as: Element.self)
            let y = frame.output(0, as: Float.self)
            let count = scale.count
            offset.withUnsafeBufferPointer { offset in
                scale.withUnsafeBufferPointer { scale in
                    var feature = range.lowerBound % count
                    for i in range {
                        y[i] =
                            (Float.converted(from: x[i].value) - offset[feature]) * scale[feature]
                        feature = feature + 1 == count ? 0 : feature + 1
                    }
                }
            }
        }
    }
}

extension Scaler {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [node.rows(0)]
    }
}
