internal import ApusCore

/// A range of positions, with a step, along some axes.
///
/// - Shapes: starts and ends are clamped to the dimension; negative ones count from the back.
///   Attributes before opset 10.
/// - Types: all. - Source: ONNX Slice, opset 13.
struct Slice: StepOperator {
    private let starts: [Int]?
    private let ends: [Int]?
    private let axes: [Int]?

    init(_ node: NodeReader) throws(EngineError) {
        starts = try node.ints("starts")
        ends = try node.ints("ends")
        axes = try node.ints("axes")
    }

    var contentInputs: [Int] { [1, 2, 3, 4] }
    var movesElements: Bool { true }

    /// What is taken along one dimension.
    private struct Cut {
        var start: Int
        var step: Int
        var count: Int
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        return [PlannedTensor(source.dataType, try cuts(inputs).map(\.count))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.shape(0)
        let target = builder.outputs[0].shape
        let cuts = try cuts(builder.inputs)
        if target == source && cuts.allSatisfy({ $0.step > 0 || $0.count <= 1 }) {
            return builder.alias(output: 0, input: 0)
        }
        let strides = source.rowMajorStrides
        var start = 0
        var sourceStrides: [Int] = []
        for (cut, stride) in zip(cuts, strides) where target.elementCount > 0 {
            start += cut.start * stride
            sourceStrides.append(cut.count > 1 ? cut.step * stride : 0)
        }
        guard target.elementCount > 0 else { return }
        try builder.addCopy(
            StridedCopy(
                shape: target, sourceStrides: sourceStrides,
                targetStrides: target.rowMajorStrides, sourceStart: start),
            input: 0, output: 0)
    }

    private func cuts(_ inputs: PlanInputs) throws(EngineError) -> [Cut] {
        let shape = try inputs.shape(0)
        let givenStarts = try inputs.integers(1)
        let givenEnds = try inputs.integers(2)
        let givenAxes = try inputs.integers(3)
        let givenSteps = try inputs.integers(4)
        guard let starts = givenStarts ?? starts, let ends = givenEnds ?? ends else {
            throw inputs.fail("starts or ends are missing")
        }
        let axes = givenAxes ?? axes ?? Array(starts.indices)
        let steps = givenSteps ?? axes.map { _ in 1 }
        guard starts.count == ends.count, axes.count == starts.count, steps.count == starts.count
        else { throw inputs.fail("starts, ends, axes and steps have different lengths") }
        var cuts = shape.map { Cut(start: 0, step: 1, count: $0) }
        for index in axes.indices {
            let axis = try inputs.normalized(axis: axes[index], rank: shape.count)
            guard steps[index] != 0, steps[index] != Int.min else {
                throw inputs.fail("step \(steps[index]) is not allowed")
            }
            cuts[axis] = Self.cut(shape[axis], starts[index], ends[index], steps[index])
        }
        return cuts
    }

    private static func cut(_ length: Int, _ start: Int, _ end: Int, _ step: Int) -> Cut {
        let isForward = step > 0
        let lowest = isForward ? 0 : -1
        let highest = isForward ? length : length - 1
        let first = min(max(start < 0 ? start &+ length : start, 0), highest)
        let last = min(max(end < 0 ? end &+ length : end, lowest), highest)
        // An end like Int.min counts from the back and stays below all positions.
        let distance = isForward ? last - first : first - last
        let size = isForward ? step : -step
        let count = distance <= 0 ? 0 : (distance - 1) / size + 1
        return Cut(start: first, step: step, count: count)
    }
}

extension Slice {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let all = try node.valid { () throws(EngineError) in
            try cuts(node.inputs)
        }
        guard let rows = node.rows(0) else { return [nil] }
        let (cut, length) = (all[rows.axis], try node.shape(0)[rows.axis])
        guard cut.start == 0, cut.step == 1, cut.count == length else {
            throw RowMixing("selects among the rows of the batch")
        }
        return [rows]
    }
}
