internal import ApusCore

/// The index of the largest (ArgMax) or smallest (ArgMin) element along an axis; of several the
/// first, or the last with `select_last_index`. NaN counts as the extreme.
///
/// - Types: all floats and integers; the result is `int64`. - Source: ONNX ArgMax, opset 13.
struct ArgExtreme: StepOperator {
    private let axis: Int
    private let keepsDimensions: Bool
    private let takesLast: Bool
    private let isMax: Bool

    init(_ node: NodeReader) throws(EngineError) {
        axis = try node.int("axis", default: 0)
        keepsDimensions = try node.flag("keepdims", default: true)
        takesLast = try node.flag("select_last_index")
        isMax = node.node.opType == "ArgMax"
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        var shape = try inputs.shape(0)
        let axis = try inputs.normalized(axis: axis, rank: shape.count)
        guard shape[axis] > 0 else { throw inputs.fail("axis \(axis) has no elements") }
        if keepsDimensions { shape[axis] = 1 } else { shape.remove(at: axis) }
        return [PlannedTensor(.int64, shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.tensor(0)
        let axis = try builder.inputs.normalized(axis: axis, rank: source.shape.count)
        let visitor = ArgExtremeBody(
            length: source.shape[axis],
            stride: Array(source.shape[(axis + 1)...]).elementCount, isMax: isMax,
            takesLast: takesLast)
        guard let body = try source.dataType.visitNumber(visitor, takesBool: true) else {
            throw builder.inputs.fail("elements of type \(source.dataType) are not supported")
        }
        let count = builder.outputs[0].shape.elementCount
        builder.addParallelStep(
            count: count, grain: max(1, 1024 / source.shape[axis]),
            operationCount: count * source.shape[axis], body)
    }
}

private struct ArgExtremeBody: NumberVisitor {
    let length: Int
    let stride: Int
    let isMax: Bool
    let takesLast: Bool

    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        let (length, stride, isMax, takesLast) = (length, stride, isMax, takesLast)
        return { frame, range in
            let x = frame.input(0, as: Element.self)
            let y = frame.output(0, as: Int64.self)
            for position in range {
                let start = x + (position / stride * stride * length + position % stride)
                var best = start.pointee.value
                var index = 0
                frame.forEachPiece(
                    of: 1..<max(length, 1), length: StepPiece.operationCount
                ) { piece in
                    for i in piece {
                        if best.isNotANumber { break }
                        let value = start[i * stride].value
                        let isBetter = isMax ? value > best : value < best
                        if isBetter || value.isNotANumber || (takesLast && value == best) {
                            best = value
                            index = i
                        }
                    }
                }
                y[position] = Int64(index)
            }
        }
    }
}

extension ArgExtreme {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let axis = try node.normalized(axis: axis, rank: try node.shape(0).count)
        return [try node.reduced(along: [axis], keepsDimensions: keepsDimensions)]
    }
}
