internal import ApusCore

/// Moves blocks of channels into space (DepthToSpace) or back (SpaceToDepth): a transposition of the
/// shape with block dimensions split off.
///
/// - Shapes: `[N, C, H, W]`. - Types: all. - Source: ONNX DepthToSpace 13, SpaceToDepth 28.
struct BlockMover: StepOperator {
    private let blockSize: Int
    private let isColumnFirst: Bool
    private let isToSpace: Bool

    init(_ node: NodeReader) throws(EngineError) {
        guard let size = try node.int("blocksize"), size > 0, size < 1 << 20 else {
            throw node.fail("attribute \"blocksize\" must be positive")
        }
        blockSize = size
        isToSpace = node.node.opType == "DepthToSpace"
        switch try node.string("mode", default: "DCR") {
        case "DCR": isColumnFirst = false
        case "CRD": isColumnFirst = true
        case let mode: throw node.fail("mode \"\(mode)\" is neither DCR nor CRD")
        }
    }

    var movesElements: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        guard source.shape.count == 4 else {
            throw inputs.fail("input 0 has rank \(source.shape.count), expected 4")
        }
        let (n, c, h, w) = (source.shape[0], source.shape[1], source.shape[2], source.shape[3])
        let area = blockSize * blockSize
        if isToSpace {
            guard c % area == 0 else {
                throw inputs.fail("\(c) channels are not divisible by \(area)")
            }
            let (height, isTall) = h.multipliedReportingOverflow(by: blockSize)
            let (width, isWide) = w.multipliedReportingOverflow(by: blockSize)
            guard !isTall, !isWide else { throw inputs.fail("the result is too large") }
            return [PlannedTensor(source.dataType, [n, c / area, height, width])]
        }
        guard h % blockSize == 0, w % blockSize == 0 else {
            throw inputs.fail("\(h) x \(w) is not divisible by \(blockSize)")
        }
        let (depth, isDeep) = c.multipliedReportingOverflow(by: area)
        guard !isDeep else { throw inputs.fail("the result is too large") }
        return [PlannedTensor(source.dataType, [n, depth, h / blockSize, w / blockSize])]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.shape(0)
        guard source.elementCount > 0 else { return }
        let b = blockSize
        let split: Shape
        let order: [Int]
        if isToSpace {
            let depth = source[1] / (b * b)
            split =
                isColumnFirst
                ? [source[0], depth, b, b, source[2], source[3]]
                : [source[0], b, b, depth, source[2], source[3]]
            order = isColumnFirst ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2]
        } else {
            split = [source[0], source[1], source[2] / b, b, source[3] / b, b]
            order = isColumnFirst ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4]
        }
        let strides = split.rowMajorStrides
        let target = order.map { split[$0] }
        try builder.addCopy(
            StridedCopy(
                shape: target, sourceStrides: order.map { strides[$0] },
                targetStrides: target.rowMajorStrides),
            input: 0, output: 0)
    }
}

extension BlockMover {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.items()]
    }
}
