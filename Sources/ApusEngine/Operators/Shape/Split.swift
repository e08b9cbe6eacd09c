internal import ApusCore

/// A tensor cut into parts along one axis.
///
/// - Shapes: part lengths by input (opset 13), attribute `split`, or equal, the last one smaller
///   where `num_outputs` does not divide the length.
/// - Types: all. - Source: ONNX Split, opset 18.
struct Split: StepOperator {
    private var axis: Int
    private let lengths: [Int]?
    private let partCount: Int?

    init(_ node: NodeReader) throws(EngineError) {
        axis = try node.int("axis", default: 0)
        lengths = try node.ints("split")
        partCount = try node.int("num_outputs")
    }

    var contentInputs: [Int] { [1] }
    var movesElements: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        let axis = try inputs.normalized(axis: axis, rank: source.shape.count)
        return try lengths(of: source.shape[axis], inputs).map {
            var shape = source.shape
            shape[axis] = $0
            return PlannedTensor(source.dataType, shape)
        }
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.shape(0)
        let axis = try builder.inputs.normalized(axis: axis, rank: source.count)
        let strides = source.rowMajorStrides
        var start = 0
        for (index, output) in builder.outputs.enumerated() {
            if builder.wants(output: index) {
                try builder.addCopy(
                    StridedCopy(
                        shape: output.shape, sourceStrides: strides,
                        targetStrides: output.shape.rowMajorStrides,
                        sourceStart: start * strides[axis]),
                    input: 0, output: index)
            }
            start += output.shape[axis]
        }
    }

    private func lengths(of total: Int, _ inputs: PlanInputs) throws(EngineError) -> [Int] {
        let given = try inputs.integers(1)
        if let lengths = given ?? lengths {
            guard lengths.addUp(to: total) else {
                throw inputs.fail("parts \(lengths) do not add up to length \(total)")
            }
            return lengths
        }
        let count = partCount ?? inputs.outputCount
        guard count > 0, count <= 1 << 20 else { throw inputs.fail("\(count) parts are asked for") }
        guard partCount != nil || total % count == 0 else {
            throw inputs.fail("length \(total) cannot be split into \(count) equal parts")
        }
        let length = (total + count - 1) / count
        var rest = total
        return (0..<count).map { _ in
            let part = min(length, rest)
            rest -= part
            return part
        }
    }
}

extension Array where Element == Int {
    /// Whether these are the lengths of the parts of an axis of length `total`.
    func addUp(to total: Int) -> Bool {
        var rest = total
        for length in self {
            guard length >= 0, length <= rest else { return false }
            rest -= length
        }
        return rest == 0
    }
}

extension Split: ImageOperator {
    func channelsLast(
        for inputs: PlanInputs, isLast: (Int) -> Bool
    ) throws(EngineError) -> ChannelsLastForm? {
        guard isLast(0) else { return nil }
        let rank = try inputs.shape(0).count
        var form = self
        form.axis = Shape.channelsLastAxis(
            of: try inputs.normalized(axis: axis, rank: rank), rank: rank)
        return ChannelsLastForm(op: form, images: [0])
    }
}

extension Split {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let rank = try node.shape(0).count
        let rows = try node.lines(
            along: [try node.normalized(axis: axis, rank: rank)], doing: "splits")
        return node.outputs.map { _ in rows }
    }
}
