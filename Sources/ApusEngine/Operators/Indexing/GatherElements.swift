internal import ApusCore

/// Element by element along one axis: `y[i][j] = x[index[i][j]][j]` for axis 0.
///
/// - Shapes: `indices` has the rank of `data` and may be smaller off the axis; the result has its
///   shape. - Types: all. - Source: ONNX GatherElements, opset 13.
struct GatherElements: StepOperator {
    private let axis: Int

    init(_ node: NodeReader) throws(EngineError) { axis = try node.int("axis", default: 0) }

    var movesElements: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let data = try inputs.tensor(0)
        let indices = try inputs.shape(1)
        _ = try inputs.elementwiseAxis(axis, data: data.shape, indices: indices)
        return [PlannedTensor(data.dataType, indices)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let data = try builder.inputs.tensor(0)
        let shape = builder.outputs[0].shape
        let axis = try builder.inputs.elementwiseAxis(axis, data: data.shape, indices: shape)
        let places = ElementPlaces(
            data: data.shape, indices: shape, axis: axis,
            reader: try IndexReader(builder.inputs, input: 1))
        guard let body = try data.dataType.visitWidth(GatherElementsBody(places: places)) else {
            throw builder.inputs.fail("elements cannot be copied")
        }
        builder.addParallelStep(
            count: places.layout.count, grain: 1024, operationCount: places.layout.count * 4, body)
    }
}

private struct GatherElementsBody: WidthVisitor {
    let places: ElementPlaces

    func visit<Element: BitwiseCopyable & Sendable>(_ type: Element.Type) -> StepBody {
        let places = places
        return { frame, range throws(EngineError) in
            let data = frame.input(0, as: Element.self)
            let output = frame.output(0, as: Element.self)
            try places.forEach(frame.rawInput(1), range) { position, place in
                output[position] = data[place]
            }
        }
    }
}

/// Where each element of an index tensor points to in `data`, for GatherElements and
/// ScatterElements.
struct ElementPlaces: Sendable {
    /// Operand 0 is the offset in `data` without the axis' part.
    let layout: StridedLayout
    private let axisStride: Int
    private let length: Int
    private let reader: IndexReader

    init(data: Shape, indices: Shape, axis: Int, reader: IndexReader) {
        let strides = data.rowMajorStrides
        layout = StridedLayout(
            lengths: indices,
            strides: indices.indices.map { SIMD4($0 == axis ? 0 : strides[$0], 0, 0, 0) })
        axisStride = strides[axis]
        length = data[axis]
        self.reader = reader
    }

    /// Calls `body` with the position among the indices and the offset in `data`, in order.
    @inline(__always)
    func forEach(
        _ indices: UnsafeRawPointer, _ range: Range<Int>, _ body: (Int, Int) -> Void
    ) throws(EngineError) {
        var failure: EngineError?
        let step = layout.innerStrides[0]
        layout.forEachRun(range) { run in
            guard failure == nil else { return }
            do throws(EngineError) {
                for i in 0..<run.count {
                    let index = try reader.index(indices, run.start + i, length: length)
                    body(run.start + i, run.offsets[0] + i * step + index * axisStride)
                }
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }
}

extension PlanInputs {
    /// The axis of an operator that works element by element along it.
    func elementwiseAxis(
        _ axis: Int, data: Shape, indices: Shape
    ) throws(EngineError) -> Int {
        let axis = try normalized(axis: axis, rank: data.count)
        let fits =
            indices.count == data.count
            && indices.indices.allSatisfy { $0 == axis || indices[$0] <= data[$0] }
        guard fits else { throw fail("indices of shape \(indices) do not fit data \(data)") }
        return axis
    }
}

extension GatherElements {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let axis = try node.normalized(axis: axis, rank: try node.shape(0).count)
        return [try node.aligned([0, 1], apartFrom: axis, doing: "selects among")]
    }
}
