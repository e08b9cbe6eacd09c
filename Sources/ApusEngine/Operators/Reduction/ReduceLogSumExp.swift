internal import ApusCore

/// `log(Σ exp(x))` along axes, computed as `m + log(Σ exp(x - m))` with the largest value `m`, in `double`.
///
/// - Types: all floats and integers. - Source: ONNX ReduceLogSumExp, opset 18.
struct ReduceLogSumExp: StepOperator {
    private let axes: ReductionAxes

    init(_ node: NodeReader) throws(EngineError) { axes = try ReductionAxes(node) }

    var contentInputs: [Int] { [1] }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [PlannedTensor(try inputs.dataType(0), try axes.outputShape(inputs))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.tensor(0)
        let loops = ReductionLoops(shape: source.shape, axes: try axes.axes(builder.inputs))
        guard let body = try source.dataType.visitNumber(LogSumExpBody(loops: loops)) else {
            throw builder.inputs.fail("elements of type \(source.dataType) are not supported")
        }
        builder.addReduction(loops, body)
    }
}

private struct LogSumExpBody: NumberVisitor {
    let loops: ReductionLoops

    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        let loops = loops
        return { frame, range in
            let x = frame.input(0, as: Element.self)
            let y = frame.output(0, as: Element.self)
            for position in range {
                let start = x + loops.kept.offsets(at: position)[0]
                var largest = -Double.infinity
                Self.forEach(start, loops) { largest = .larger(largest, $0.asDouble) }
                // With nothing or only infinities in it, a shift would make NaN.
                let shift = largest.isFinite ? largest : 0
                var sum = 0.0
                Self.forEach(start, loops) { sum += Double.exp($0.asDouble - shift) }
                let result = Element.Value(fromDouble: shift + Double.log(sum))
                y[position] = Element(storing: result)
            }
        }
    }

    @inline(__always)
    private static func forEach<Element: Number>(
        _ start: UnsafePointer<Element>, _ loops: ReductionLoops, _ body: (Element.Value) -> Void
    ) {
        let step = loops.reduced.innerStrides[0]
        let length = loops.runLength ?? 1
        loops.reduced.forEachRun(0..<loops.reduced.count) { run in
            for i in 0..<run.count {
                let x = start + (run.offsets[0] + i * step)
                for j in 0..<length { body(x[j].value) }
            }
        }
    }
}

extension ReduceLogSumExp {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try axes.rows(through: node)]
    }
}
