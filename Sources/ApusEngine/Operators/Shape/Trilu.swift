internal import ApusCore

/// The upper or lower triangle of the innermost matrices, zeros elsewhere.
///
/// - Types: all numbers. - Source: ONNX Trilu, opset 14.
struct Trilu: StepOperator {
    private let isUpper: Bool

    init(_ node: NodeReader) throws(EngineError) {
        isUpper = try node.flag("upper", default: true)
    }

    var contentInputs: [Int] { [1] }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        guard source.shape.count >= 2 else {
            throw inputs.fail("input 0 has rank \(source.shape.count), expected at least 2")
        }
        return [source]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let shape = builder.outputs[0].shape
        let count = shape.elementCount
        guard count > 0, let width = builder.outputs[0].dataType.byteCount else { return }
        let (rows, columns) = (shape[shape.count - 2], shape[shape.count - 1])
        // Beyond the matrix a diagonal is as good as at its edge.
        let diagonal = min(max(try builder.inputs.integers(1)?.first ?? 0, -rows), columns)
        let isUpper = isUpper
        builder.addParallelStep(
            count: count / columns, grain: max(1, 1024 / columns), operationCount: count
        ) { frame, range in
            for row in range {
                let split = min(max(row % rows + diagonal + (isUpper ? 0 : 1), 0), columns) * width
                let from = frame.rawInput(0) + row * columns * width
                let to = frame.rawOutput(0) + row * columns * width
                let kept = isUpper ? split..<columns * width : 0..<split
                let cleared = isUpper ? 0..<split : split..<columns * width
                (to + kept.lowerBound).copyMemory(
                    from: from + kept.lowerBound, byteCount: kept.count)
                (to + cleared.lowerBound).initializeMemory(
                    as: UInt8.self, repeating: 0, count: cleared.count)
            }
        }
    }
}

extension Trilu {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let rank = node.outputShape.count
        return [try node.lines(along: [rank - 2, rank - 1], doing: "takes a triangle of")]
    }
}
