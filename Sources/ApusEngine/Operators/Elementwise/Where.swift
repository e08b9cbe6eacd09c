internal import ApusCore

/// Elements of `x` where the condition holds, of `y` elsewhere, with broadcasting of all three.
///
/// - Types: all. - Source: ONNX Where, opset 16.
struct Where: ElementwiseOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    var movesElements: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        guard try inputs.dataType(0) == .bool else {
            throw inputs.fail("input 0 has type \(try inputs.dataType(0)), expected bool")
        }
        let chosen = try inputs.broadcast(try inputs.shape(1), try inputs.shape(2))
        let shape = try inputs.broadcast(try inputs.shape(0), chosen)
        return [PlannedTensor(try inputs.commonType(1..<3), shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        var shapes: [Shape] = []
        for index in 0..<3 { shapes.append(try builder.inputs.shape(index)) }
        let layout = StridedLayout(output: builder.outputs[0].shape, broadcasting: shapes)
        let type = builder.outputs[0].dataType
        guard let body = try type.visitWidth(WhereBody(layout: layout)) else {
            throw builder.inputs.fail("elements of type \(type) are not supported")
        }
        builder.addParallelStep(
            count: layout.count, grain: 2048, operationCount: layout.count * 2, body)
    }
}

private struct WhereBody: WidthVisitor {
    let layout: StridedLayout

    func visit<Element: BitwiseCopyable & Sendable>(_ type: Element.Type) -> StepBody {
        let layout = layout
        let steps = layout.innerStrides
        return { frame, range in
            let condition = frame.input(0, as: UInt8.self)
            let x = frame.input(1, as: Element.self)
            let y = frame.input(2, as: Element.self)
            let output = frame.output(0, as: Element.self)
            layout.forEachRun(range) { run in
                let condition = condition + run.offsets[0]
                let x = x + run.offsets[1]
                let y = y + run.offsets[2]
                let output = output + run.start
                for i in 0..<run.count {
                    output[i] =
                        condition[i &* steps[0]] != 0 ? x[i &* steps[1]] : y[i &* steps[2]]
                }
            }
        }
    }
}
