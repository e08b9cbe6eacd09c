internal import ApusCore

/// `(x - mean) / (√variance + 1e-9)`, mean and variance taken along axes. Sums are in `double`.
///
/// - Types: `float`, `double`, `float16`, `bfloat16`.
/// - Source: ONNX MeanVarianceNormalization, opset 13.
struct MeanVarianceNormalization: StepOperator {
    private let axes: [Int]

    init(_ node: NodeReader) throws(EngineError) { axes = try node.ints("axes") ?? [0, 2, 3] }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        _ = try inputs.normalized(axes: axes, rank: source.shape.count)
        return [source]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.tensor(0)
        let axes = try builder.inputs.normalized(axes: axes, rank: source.shape.count)
        let loops = MeanVarianceBody(
            kept: Self.layout(source.shape) { !axes.contains($0) },
            reduced: Self.layout(source.shape) { axes.contains($0) })
        guard let body = try source.dataType.visitFloat(loops) else {
            throw builder.inputs.fail("elements of type \(source.dataType) are not supported")
        }
        let reducedCount = max(loops.reduced.count, 1)
        builder.mayReuse(input: 0, forOutput: 0)
        builder.addParallelStep(
            count: loops.kept.count, grain: max(1, 1024 / reducedCount),
            operationCount: source.shape.elementCount * 8, body)
    }

    /// Loops over some dimensions; operand 0 is the tensor.
    private static func layout(_ shape: Shape, _ isWanted: (Int) -> Bool) -> StridedLayout {
        let strides = shape.rowMajorStrides
        let wanted = shape.indices.filter(isWanted)
        return StridedLayout(
            lengths: wanted.map { shape[$0] },
            strides: wanted.map { SIMD4(strides[$0], 0, 0, 0) }, merges: false)
    }
}

private struct MeanVarianceBody: FloatVisitor {
    let kept: StridedLayout
    let reduced: StridedLayout

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let (kept, reduced) = (kept, reduced)
        return { frame, range in
            let input = frame.input(0, as: Element.self)
            let output = frame.output(0, as: Element.self)
            let count = Double(reduced.count)
            for position in range {
                let offset = kept.offsets(at: position)[0]
                let (x, y) = (input + offset, output + offset)
                var sum = 0.0
                Self.forEach(reduced) { sum += x[$0].value.asDouble }
                let mean = sum / count
                var squares = 0.0
                Self.forEach(reduced) { i in
                    let difference = x[i].value.asDouble - mean
                    squares += difference * difference
                }
                let divisor = (squares / count).squareRoot() + 1e-9
                Self.forEach(reduced) { i in
                    let value = (x[i].value.asDouble - mean) / divisor
                    y[i] = Element(storing: Element.Value(fromDouble: value))
                }
            }
        }
    }

    @inline(__always)
    private static func forEach(_ layout: StridedLayout, _ body: (Int) -> Void) {
        let step = layout.innerStrides[0]
        layout.forEachRun(0..<layout.count) { run in
            for i in 0..<run.count { body(run.offsets[0] + i * step) }
        }
    }
}

extension MeanVarianceNormalization {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let reduced = try node.valid { () throws(EngineError) in
            try node.inputs.normalized(axes: axes, rank: node.outputShape.count)
        }
        return [try node.lines(along: reduced, doing: "normalises over")]
    }
}
