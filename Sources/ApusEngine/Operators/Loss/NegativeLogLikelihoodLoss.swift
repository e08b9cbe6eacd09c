internal import ApusCore

/// `-weight[target] * x[target]` for each position, joined by `reduction`.
///
/// - Shapes: `x` is `[batch, classes, d1...]`, targets `[batch, d1...]`; the loss has the targets'
///   shape or is a scalar. - Types: `float`, `double`, `float16`, `bfloat16`; sums in `double`.
/// - Source: ONNX NegativeLogLikelihoodLoss, opset 22.
struct NegativeLogLikelihoodLoss: StepOperator {
    private let loss: LossReduction

    init(_ node: NodeReader) throws(EngineError) { loss = try LossReduction(node) }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [PlannedTensor(try inputs.dataType(0), try loss.lossShape(inputs))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let type = try builder.inputs.dataType(0)
        switch type {
        case .float: try plan(Float.self, &builder)
        case .double: try plan(Double.self, &builder)
        case .float16: try plan(Float16.self, &builder)
        case .bfloat16: try plan(BFloat16.self, &builder)
        default: throw builder.inputs.fail("elements of type \(type) are not supported")
        }
    }

    private func plan<Element: FloatNumber>(
        _ type: Element.Type, _ builder: inout StepBuilder
    ) throws(EngineError) {
        let geometry = try loss.geometry(builder.inputs)
        let targets = try loss.targets(builder.inputs, classes: geometry.classes)
        let memory = try builder.lossMemory(geometry)
        let hasWeights = builder.inputs.has(2)
        builder.addParallelStep(
            count: geometry.positions, grain: 256, operationCount: geometry.positions * 4
        ) { frame, range throws(EngineError) in
            let x = frame.input(0, as: Element.self)
            let weights = hasWeights ? frame.input(2, as: Element.self) : nil
            let losses = frame.memory(memory, as: Double.self)
            for position in range {
                let target = try targets(frame.rawInput(1), position)
                let weight = target.map { weights?[$0].value.asDouble ?? 1 } ?? 0
                let score = target.map {
                    x[geometry.offset(position) + $0 * geometry.inner].value.asDouble
                }
                losses[position] = score.map { -$0 * weight } ?? 0
                losses[geometry.positions + position] = weight
            }
        }
        loss.addSteps(memory, geometry, type, &builder)
    }
}
