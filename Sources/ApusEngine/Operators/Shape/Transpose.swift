internal import ApusCore

/// Dimensions in another order; all reversed if `perm` is left out.
///
/// - Types: all. - Source: ONNX Transpose, opset 25.
struct Transpose: StepOperator {
    private var permutation: [Int]?

    init(_ node: NodeReader) throws(EngineError) { permutation = try node.ints("perm") }

    var movesElements: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        let order = try order(source.shape.count, inputs)
        return [PlannedTensor(source.dataType, order.map { source.shape[$0] })]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.shape(0)
        let order = try order(source.count, builder.inputs)
        // Moving dimensions of length 1 leaves every element where it is.
        let moving = order.filter { source[$0] != 1 }
        if moving == moving.sorted() { return builder.alias(output: 0, input: 0) }
        let strides = source.rowMajorStrides
        let target = builder.outputs[0].shape
        try builder.addCopy(
            StridedCopy(
                shape: target, sourceStrides: order.map { strides[$0] },
                targetStrides: target.rowMajorStrides),
            input: 0, output: 0)
    }

    private func order(_ rank: Int, _ inputs: PlanInputs) throws(EngineError) -> [Int] {
        guard let permutation else { return Array((0..<rank).reversed()) }
        let positive = permutation.map { $0 < 0 ? $0 + rank : $0 }
        guard positive.sorted() == Array(0..<rank) else {
            throw inputs.fail("perm \(permutation) does not order \(rank) dimensions")
        }
        return positive
    }
}

extension Transpose: ImageOperator {
    /// With channels last the order is another one; the result is no image any more.
    func channelsLast(
        for inputs: PlanInputs, isLast: (Int) -> Bool
    ) throws(EngineError) -> ChannelsLastForm? {
        guard isLast(0) else { return nil }
        let rank = try inputs.shape(0).count
        var form = self
        form.permutation = try order(rank, inputs).map {
            Shape.channelsLastAxis(of: $0, rank: rank)
        }
        return ChannelsLastForm(op: form, images: [0], makesImages: false)
    }
}

extension Transpose {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let rank = try node.shape(0).count
        let axes = try node.valid { () throws(EngineError) in
            try order(rank, node.inputs)
        }
        guard let rows = node.rows(0), let axis = axes.firstIndex(of: rows.axis) else {
            return [nil]
        }
        return [rows.moved(to: axis)]
    }
}

extension Transpose: RowFactOperator {
    func fact(through node: RowNode) throws(RowMixing) -> RowFact? { try node.movedFact() }
}
