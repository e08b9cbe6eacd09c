internal import ApusCore
internal import CApusKernels

/// Reduces a tensor along axes: ONNX ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceProd,
/// ReduceL1, ReduceL2, ReduceLogSum, ReduceSumSquare.
///
/// - Shapes: reduced dimensions become 1, or go away without `keepdims`.
/// - Types: all floats and integers (half precision accumulates in `float`), bool for the extremes.
/// - Complexity: one pass. Every output element is computed by one thread, in an order that depends
///   on the axes only.
struct Reduce<Operation: Reduction>: StepOperator {
    private var axes: ReductionAxes

    init(_ node: NodeReader) throws(EngineError) { axes = try ReductionAxes(node) }

    var contentInputs: [Int] { [1] }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [PlannedTensor(try inputs.dataType(0), try axes.outputShape(inputs))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.tensor(0)
        let loops = ReductionLoops(shape: source.shape, axes: try axes.axes(builder.inputs))
        let visitor = ReduceBody<Operation>(loops: loops, kernels: builder.kernels)
        let body = try source.dataType.visitNumber(visitor, takesBool: Operation.takesBool)
        guard let body else {
            throw builder.inputs.fail("elements of type \(source.dataType) are not supported")
        }
        builder.addReduction(loops, body)
    }
}

extension Reduce: ImageOperator {
    func channelsLast(
        for inputs: PlanInputs, isLast: (Int) -> Bool
    ) throws(EngineError) -> ChannelsLastForm? {
        guard isLast(0), let own = try axes.channelsLast(inputs) else { return nil }
        var form = self
        form.axes = own
        return ChannelsLastForm(op: form, images: [0], makesImages: own.makesImages)
    }
}

/// Accumulators of one block of output elements; lies in a thread's scratch memory.
let reductionBlockCount = 512

extension StepBuilder {
    mutating func addReduction(_ loops: ReductionLoops, _ body: @escaping StepBody) {
        let count = outputs[0].shape.elementCount
        addParallelStep(
            count: count, grain: max(1, 1024 / max(loops.reducedCount, 1)),
            scratchByteCount: reductionBlockCount * 16,
            operationCount: count * max(loops.reducedCount, 1), body)
    }
}

private struct ReduceBody<Operation: Reduction>: NumberVisitor {
    let loops: ReductionLoops
    let kernels: Kernels

    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        let (loops, kernels) = (loops, kernels)
        return { frame, range in
            let x = frame.input(0, as: Element.self)
            let y = frame.output(0, as: Element.self)
            if let length = loops.runLength {
                for position in range {
                    let start = x + loops.kept.offsets(at: position)[0]
                    let total: Element.Value = Self.total(frame, start, length, loops, kernels)
                    let result = Operation.finish(total, count: loops.reducedCount)
                    y[position] = Element(storing: result)
                }
            } else {
                Self.columns(frame, x, y, range, loops)
            }
        }
    }

    /// One element whose innermost values are neighbours.
    private static func total<Element: Number>(
        _ frame: StepFrame, _ start: UnsafePointer<Element>, _ length: Int,
        _ loops: ReductionLoops, _ kernels: Kernels
    ) -> Element.Value {
        var total: Element.Value = Operation.initial()
        let step = loops.reduced.innerStrides[0]
        let pieceLength = StepPiece.length(grain: 1, operationsPerItem: length)
        frame.forEachPiece(of: 0..<loops.reduced.count, length: pieceLength) { piece in
            loops.reduced.forEachRun(piece) { run in
                for i in 0..<run.count {
                    let x = start + (run.offsets[0] + i * step)
                    total = Self.total(total, frame, x, length, kernels)
                }
            }
        }
        return total
    }

    /// `total` with a run of neighbours.
    @inline(__always)
    private static func total<Element: Number>(
        _ total: Element.Value, _ frame: StepFrame, _ x: UnsafePointer<Element>, _ length: Int,
        _ kernels: Kernels
    ) -> Element.Value {
        var total = total
        let pieceLength = Element.self == Float.self ? runLengthMax : StepPiece.operationCount
        frame.forEachPiece(of: 0..<length, length: pieceLength) { piece in
            if Element.self == Float.self {
                let values = UnsafeRawPointer(x + piece.lowerBound)
                    .assumingMemoryBound(to: Float.self)
                if let sum = Operation.run(kernels, values, piece.count) {
                    // Sums of runs are added; a combination would square or sign them again.
                    total = Self.join(total, Element.Value(fromDouble: Double(sum)))
                    return
                }
            }
            for j in piece { total = Operation.combine(total, x[j].value) }
        }
        return total
    }

    /// Neighbours that a kernel combines without a pause; a longer run is several ones.
    private static var runLengthMax: Int { 1 << 24 }

    private static func join<Value: Arithmetic>(_ total: Value, _ run: Value) -> Value {
        Operation.self is MaxReduction.Type ? .larger(total, run) : .sum(total, run)
    }

    /// Output elements whose inputs are neighbours too: rows are combined into a block.
    private static func columns<Element: Number>(
        _ frame: StepFrame, _ x: UnsafePointer<Element>, _ y: UnsafeMutablePointer<Element>,
        _ range: Range<Int>, _ loops: ReductionLoops
    ) {
        let block = frame.scratch(as: Element.Value.self)
        let pieceLength = StepPiece.length(grain: 1, operationsPerItem: reductionBlockCount)
        let step = loops.reduced.innerStrides[0]
        loops.kept.forEachRun(range) { kept in
            var done = 0
            while done < kept.count {
                let count = min(reductionBlockCount, kept.count - done)
                let start = x + (kept.offsets[0] + done)
                for j in 0..<count { block[j] = Operation.initial() }
                frame.forEachPiece(of: 0..<loops.reduced.count, length: pieceLength) { piece in
                    loops.reduced.forEachRun(piece) { run in
                        for i in 0..<run.count {
                            let row = start + (run.offsets[0] + i * step)
                            for j in 0..<count {
                                block[j] = Operation.combine(block[j], row[j].value)
                            }
                        }
                    }
                }
                let target = y + (kept.start + done)
                for j in 0..<count {
                    let result = Operation.finish(block[j], count: loops.reducedCount)
                    target[j] = Element(storing: result)
                }
                done += count
            }
        }
    }
}

extension Reduce {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try axes.rows(through: node)]
    }
}
