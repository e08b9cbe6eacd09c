internal import ApusCore

/// The input repeated along each dimension.
///
/// - Shapes: `repeats` has one number per dimension. Opset 1 has a count and an axis instead.
/// - Types: all. - Source: ONNX Tile, opset 13.
struct Tile: StepOperator {
    private let isOld: Bool

    init(_ node: NodeReader) throws(EngineError) { isOld = node.opsetVersion < 6 }

    var contentInputs: [Int] { isOld ? [1, 2] : [1] }
    var movesElements: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        let repeats = try repeats(inputs)
        var shape = source.shape
        for (index, count) in repeats.enumerated() {
            let (length, overflow) = shape[index].multipliedReportingOverflow(by: count)
            guard count >= 0, !overflow else {
                throw inputs.fail("repeats \(repeats) are not valid")
            }
            shape[index] = length
        }
        return [PlannedTensor(source.dataType, shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.shape(0)
        let repeats = try repeats(builder.inputs)
        let strides = source.rowMajorStrides
        let target = builder.outputs[0].shape
        var lengths: [Int] = []
        var sourceStrides: [Int] = []
        for index in source.indices {
            lengths += [repeats[index], source[index]]
            sourceStrides += [0, strides[index]]
        }
        guard target.elementCount > 0 else { return }
        try builder.addCopy(
            StridedCopy(
                shape: lengths, sourceStrides: sourceStrides,
                targetStrides: lengths.rowMajorStrides),
            input: 0, output: 0)
    }

    private func repeats(_ inputs: PlanInputs) throws(EngineError) -> [Int] {
        let rank = try inputs.shape(0).count
        guard let given = try inputs.integers(1) else { throw inputs.fail("input 1 is missing") }
        if isOld {
            guard let count = given.first, let axis = try inputs.integers(2)?.first else {
                throw inputs.fail("tiles and axis must have one element each")
            }
            var repeats = [Int](repeating: 1, count: rank)
            repeats[try inputs.normalized(axis: axis, rank: rank)] = count
            return repeats
        }
        guard given.count == rank else {
            throw inputs.fail("repeats \(given) do not fit rank \(rank)")
        }
        return given
    }
}

extension Tile {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        try node.requireNoRows()
        // A repetition of what holds no rows has them outside of what it repeats.
        guard let rows = node.rows(0) else { return [node.uniform()] }
        guard try node.shape(0)[rows.axis] == node.outputShape[rows.axis] else {
            throw RowMixing("repeats the rows of the batch")
        }
        return [rows]
    }
}
