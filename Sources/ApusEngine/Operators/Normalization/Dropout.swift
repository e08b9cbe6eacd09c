internal import ApusCore

/// The input itself; in training mode some elements are zero and the others scaled by
/// `1 / (1 - ratio)`. The second output says which elements are kept.
///
/// - Types: all floats. The mask is `bool`, before opset 10 of the input's type.
/// - Training: an element is kept if a uniform random number is at least `ratio`. With a seed the
///   numbers are those of NumPy's `RandomState`, as in the reference implementation.
/// - Source: ONNX Dropout, opset 22.
struct Dropout: StepOperator {
    private let seed: Int?
    private let hasTypedMask: Bool
    /// Whether an input says that this is training, which none of its values rules out.
    private let mayTrain: Bool

    init(_ node: NodeReader) throws(EngineError) {
        seed = try node.int("seed")
        mayTrain = node.hasInput(2)
        hasTypedMask = node.opsetVersion < 10
    }

    var contentInputs: [Int] { [1, 2] }
    var isDeterministic: Bool { !mayTrain }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        guard [.float, .double, .float16, .bfloat16].contains(source.dataType) else {
            throw inputs.fail("elements of type \(source.dataType) are not supported")
        }
        return [source, PlannedTensor(hasTypedMask ? source.dataType : .bool, source.shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let ratio = try ratio(builder.inputs)
        let type = try builder.inputs.dataType(0)
        let visitor = DropoutBody(
            ratio: ratio, seed: seed, hasTypedMask: hasTypedMask,
            wantsValues: ratio > 0 && builder.wants(output: 0),
            wantsMask: builder.wants(output: 1), count: builder.outputs[0].shape.elementCount)
        guard let body = try type.visitFloat(visitor) else {
            throw builder.inputs.fail("elements of type \(type) are not supported")
        }
        if ratio == 0 { builder.alias(output: 0, input: 0) }
        guard ratio > 0 || builder.wants(output: 1) else { return }
        builder.addStep(isSerial: true, operationCount: visitor.count * 8) {
            frame throws(EngineError) in
            try body(frame, 0..<visitor.count)
        }
    }

    /// The share of elements to drop: 0 unless in training mode.
    private func ratio(_ inputs: PlanInputs) throws(EngineError) -> Double {
        guard try inputs.integers(2)?.first ?? 0 != 0 else { return 0 }
        guard inputs.has(1) else { return 0.5 }
        guard let ratio = inputs.constant(1)?.doubles?.first, ratio >= 0, ratio < 1 else {
            throw inputs.fail(
                "input 1 must be a number from 0 up to 1 that is known before the run")
        }
        return ratio
    }
}

private struct DropoutBody: FloatVisitor {
    let ratio: Double
    let seed: Int?
    let hasTypedMask: Bool
    let wantsValues: Bool
    let wantsMask: Bool
    let count: Int

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let own = self
        return { frame, range in
            var source = MersenneTwister(
                seed: own.seed.map { UInt32(truncatingIfNeeded: $0) } ?? .random(in: 0 ... .max))
            let scale = Element.Value(fromDouble: 1 / (1 - own.ratio))
            for i in range {
                if i % StepPiece.operationCount == 0, frame.isCancelled { return }
                let isKept = own.ratio == 0 || source.uniform() >= own.ratio
                if own.wantsValues {
                    let x = frame.input(0, as: Element.self)[i].value
                    frame.output(0, as: Element.self)[i] = Element(
                        storing: isKept ? x * scale : 0)
                }
                guard own.wantsMask else { continue }
                if own.hasTypedMask {
                    frame.output(1, as: Element.self)[i] = Element(storing: isKept ? 1 : 0)
                } else {
                    frame.output(1, as: UInt8.self)[i] = isKept ? 1 : 0
                }
            }
        }
    }
}

extension Dropout {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        guard try node.valid({ () throws(EngineError) in try ratio(node.inputs) }) == 0 else {
            throw RowMixing("draws random numbers")
        }
        let rows = try node.lines(along: [], doing: "drops")
        return node.outputs.map { _ in rows }
    }
}
