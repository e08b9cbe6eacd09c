internal import ApusCore

/// Tensors joined along one axis.
///
/// - Shapes: equal but for the axis. - Types: all. - Source: ONNX Concat, opset 13.
struct Concat: StepOperator {
    private var axis: Int?

    init(_ node: NodeReader) throws(EngineError) {
        axis = try node.int("axis") ?? (node.opsetVersion < 4 ? 1 : nil)
    }

    var movesElements: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        guard inputs.count > 0 else { throw inputs.fail("has no inputs") }
        let type = try inputs.commonType(0..<inputs.count)
        var shape = try inputs.shape(0)
        let axis = try position(inputs)
        for index in 1..<inputs.count {
            var other = try inputs.shape(index)
            guard other.count == shape.count else {
                throw inputs.fail("input \(index) has shape \(other), input 0 \(shape)")
            }
            let (length, overflow) = shape[axis].addingReportingOverflow(other[axis])
            other[axis] = shape[axis]
            guard other == shape, !overflow else {
                throw inputs.fail(
                    "input \(index) has shape \(try inputs.shape(index)), which does not fit "
                        + "\(shape) along axis \(axis)")
            }
            shape[axis] = length
        }
        return [PlannedTensor(type, shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        if builder.inputs.count == 1 { return builder.alias(output: 0, input: 0) }
        let target = builder.outputs[0].shape
        let strides = target.rowMajorStrides
        let axis = try position(builder.inputs)
        var start = 0
        for index in 0..<builder.inputs.count {
            let shape = try builder.inputs.shape(index)
            try builder.addCopy(
                StridedCopy(
                    shape: shape, sourceStrides: shape.rowMajorStrides, targetStrides: strides,
                    targetStart: start * strides[axis]),
                input: index, output: 0)
            start += shape[axis]
        }
    }

    private func position(_ inputs: PlanInputs) throws(EngineError) -> Int {
        guard let axis else { throw inputs.fail("attribute \"axis\" is missing") }
        return try inputs.normalized(axis: axis, rank: try inputs.shape(0).count)
    }
}

extension Concat: ImageOperator {
    func channelsLast(
        for inputs: PlanInputs, isLast: (Int) -> Bool
    ) throws(EngineError) -> ChannelsLastForm? {
        guard (0..<inputs.count).contains(where: isLast) else { return nil }
        var form = self
        form.axis = Shape.channelsLastAxis(
            of: try position(inputs), rank: try inputs.shape(0).count)
        return ChannelsLastForm(op: form, images: Set(0..<inputs.count))
    }
}

extension Concat {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let axis = try node.valid { () throws(EngineError) in
            try position(node.inputs)
        }
        return [try node.concatenated(along: axis)]
    }
}

extension Concat: RowFactOperator {
    func fact(through node: RowNode) throws(RowMixing) -> RowFact? {
        guard let fact = node.facts.lazy.compactMap({ $0 }).first else { return nil }
        let axis = try node.valid { () throws(EngineError) in
            try position(node.inputs)
        }
        guard fact == .numbers(scale: 1, offsets: 0...0), node.fact(0) == fact,
            node.facts.dropFirst().allSatisfy({ $0 == nil }), axis == node.outputShape.count - 1,
            try node.shape(0).last == 1
        else { throw RowMixing(fact.reason) }
        return .tuples
    }
}
