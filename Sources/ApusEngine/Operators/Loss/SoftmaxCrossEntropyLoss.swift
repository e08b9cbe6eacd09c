internal import ApusCore

/// The negative log likelihood loss of `log softmax(x)` along the classes; the second output is the
/// log softmax itself.
///
/// - Shapes: `x` is `[batch, classes, d1...]`, targets `[batch, d1...]`; the loss has the targets'
///   shape or is a scalar. - Types: `float`, `double`, `float16`, `bfloat16`; sums in `double`.
/// - Source: ONNX SoftmaxCrossEntropyLoss, opset 13.
struct SoftmaxCrossEntropyLoss: StepOperator {
    private let loss: LossReduction

    init(_ node: NodeReader) throws(EngineError) { loss = try LossReduction(node) }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        return [PlannedTensor(source.dataType, try loss.lossShape(inputs)), source]
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
        let (wantsLoss, wantsLogs) = (builder.wants(output: 0), builder.wants(output: 1))
        let step = geometry.inner
        builder.addParallelStep(
            count: geometry.positions, grain: 64,
            operationCount: geometry.positions * geometry.classes * 16
        ) { frame, range throws(EngineError) in
            let x = frame.input(0, as: Element.self)
            let weights = hasWeights ? frame.input(2, as: Element.self) : nil
            let losses = frame.memory(memory, as: Double.self)
            for position in range {
                let offset = geometry.offset(position)
                let (largest, logSum) = Self.logSum(x + offset, geometry.classes, step)
                if wantsLogs {
                    let logs = frame.output(1, as: Element.self) + offset
                    for c in 0..<geometry.classes {
                        let log = x[offset + c * step].value.asDouble - largest - logSum
                        logs[c * step] = Element(storing: Element.Value(fromDouble: log))
                    }
                }
                let target = try targets(frame.rawInput(1), position)
                let weight = target.map { weights?[$0].value.asDouble ?? 1 } ?? 0
                let log = target.map { x[offset + $0 * step].value.asDouble - largest - logSum }
                losses[position] = log.map { -$0 * weight } ?? 0
                losses[geometry.positions + position] = weight
            }
        }
        if wantsLoss { loss.addSteps(memory, geometry, type, &builder) }
    }

    /// The largest score, and the logarithm of the sum of `exp(score - largest)`.
    @inline(__always)
    private static func logSum<Element: FloatNumber>(
        _ x: UnsafePointer<Element>, _ count: Int, _ step: Int
    ) -> (Double, Double) {
        var largest = -Double.infinity
        for c in 0..<count { largest = Double.larger(largest, x[c * step].value.asDouble) }
        var sum = 0.0
        for c in 0..<count { sum += Double.exp(x[c * step].value.asDouble - largest) }
        return (largest, Double.log(sum))
    }
}
