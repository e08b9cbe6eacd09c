internal import ApusCore

/// Crops or pads with zeros around the centre to the lengths that `shape` gives for `axes`.
///
/// - Types: all. - Source: ONNX CenterCropPad, opset 18.
struct CenterCropPad: StepOperator {
    private let axes: [Int]?

    init(_ node: NodeReader) throws(EngineError) { axes = try node.ints("axes") }

    var contentInputs: [Int] { [1] }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        let rank = source.shape.count
        guard let wanted = try inputs.integers(1) else { throw inputs.fail("input 1 is missing") }
        let axes = axes ?? Array(0..<rank)
        guard wanted.count == axes.count, wanted.allSatisfy({ $0 >= 0 }) else {
            throw inputs.fail("shape \(wanted) does not fit \(axes.count) axes")
        }
        var shape = source.shape
        for (axis, length) in zip(axes, wanted) {
            shape[try inputs.normalized(axis: axis, rank: rank)] = length
        }
        return [PlannedTensor(source.dataType, shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.shape(0)
        let target = builder.outputs[0].shape
        guard target.elementCount > 0 else { return }
        let maps = zip(source, target).map { length, wanted in
            // What does not divide evenly is cut at the end and added at the end.
            AxisMap(
                length: length, count: wanted,
                begin: length >= wanted ? -((length - wanted) / 2) : (wanted - length) / 2,
                outside: .filled)
        }
        try builder.addPaddedCopy(maps)
    }
}

extension CenterCropPad {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let (source, target) = (try node.shape(0), node.outputShape)
        return [
            try node.lines(along: source.indices.filter { source[$0] != target[$0] }, doing: "cuts")
        ]
    }
}
