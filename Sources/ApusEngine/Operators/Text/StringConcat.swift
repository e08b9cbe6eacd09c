internal import ApusCore

/// `z = x + y` for texts.
///
/// - Shapes: `x` and `y` broadcast. - Types: strings. - Source: ONNX StringConcat, opset 20.
struct StringConcat: ValueOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let x = try context.tensor(inputs, 0)
        let y = try context.tensor(inputs, 1)
        guard let first = x.strings, let second = y.strings else {
            throw context.fail("the inputs are \(x.dataType) and \(y.dataType), expected strings")
        }
        let shape = try context.planInputs([x, y]).broadcast(x.shape, y.shape)
        guard let count = shape.checkedElementCount else {
            throw context.fail("the result \(shape) is too large")
        }
        let layout = StridedLayout(output: shape, broadcasting: [x.shape, y.shape])
        // At first their places alone, so that there is an end to what is added up.
        try context.reserve(count: count, byteCount: 8)
        var byteCount = 0
        try context.forEachPiece(of: 0..<count) { piece in
            for index in piece {
                let offsets = layout.offsets(at: index)
                byteCount += Tensor.heldByteCount(
                    ofString: first[offsets[0]].count + second[offsets[1]].count)
            }
        }
        try context.reserve(byteCount: byteCount - 8 * count)
        var result: [[UInt8]] = []
        result.reserveCapacity(count)
        for index in 0..<count {
            try context.checkCancelled()
            let offsets = layout.offsets(at: index)
            result.append(first[offsets[0]] + second[offsets[1]])
        }
        return [try context.make(shape, strings: result)]
    }
}

extension StringConcat: ShapedValueOperator {
    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let shape = try inputs.broadcast(try inputs.shape(0), try inputs.shape(1))
        return [PlannedTensor(.string, shape)]
    }

    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] { [try node.broadcast()] }
}
