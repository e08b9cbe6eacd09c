internal import ApusCore

/// The product of quantized matrices, quantized again: the exact sum times
/// `a_scale * b_scale / y_scale`, rounded half to even, plus the zero point, clamped.
///
/// - Shapes: as MatMul; scales and zero points of `a` and `y` are one number or one per row, those
///   of `b` one number or one per column.
/// - Types: `int8` and `uint8` in every combination; scales are `float`, `float16` or `bfloat16`.
/// - Source: ONNX QLinearMatMul, opset 21.
struct QLinearMatMul: StepOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let product = try product(inputs)
        let type = try inputs.dataType(7)
        guard type == .int8 || type == .uint8 else {
            throw inputs.fail("input 7 is \(type), allowed are int8 and uint8")
        }
        for (scale, isLeft) in [(1, true), (4, false), (6, true), (7, true)] {
            try product.check(scale, isLeft: isLeft, inputs)
        }
        return [PlannedTensor(type, product.shape.output)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        guard builder.outputs[0].shape.elementCount > 0 else { return }
        let product = try product(builder.inputs)
        let type = builder.outputs[0].dataType
        guard let writer = QuantizedWriter(type) else {
            throw builder.inputs.fail("outputs of type \(type) are not supported")
        }
        let (aScale, aCount) = try floats(1, &builder)
        let (bScale, bCount) = try floats(4, &builder)
        let (yScale, yCount) = try floats(6, &builder)
        let (yZero, zeroCount) = try floats(7, &builder)
        try product.plan(&builder) { frame, row in
            let b = frame.memory(bScale, as: Float.self)
            let y = frame.memory(yScale, as: Float.self)[row.leftRow % yCount]
            let factor = frame.memory(aScale, as: Float.self)[row.leftRow % aCount]
            let zero = frame.memory(yZero, as: Float.self) + row.leftRow % zeroCount
            // The sums give way to their floats, which are as large.
            let values = UnsafeMutableRawPointer(row.sums).assumingMemoryBound(to: Float.self)
            let first = bCount == 1 ? 0 : row.rightColumn % bCount
            let step = bCount == 1 ? 0 : 1
            for j in 0..<row.count {
                let scale = factor * b[first + j &* step] / y
                values[j] = Float(row.sums[j]) * scale
            }
            writer.write(values, row.count, zero, 0, frame.rawOutput(0), row.target)
        }
    }

    private func floats(
        _ input: Int, _ builder: inout StepBuilder
    ) throws(EngineError) -> (BufferSlot, count: Int) {
        let count = try builder.inputs.shape(input).elementCount
        guard count > 0 else { throw builder.inputs.fail("input \(input) is empty") }
        return (try builder.addFloats(ofInput: input), count)
    }

    private func product(_ inputs: PlanInputs) throws(EngineError) -> QuantizedProduct {
        try QuantizedProduct(
            left: .init(input: 0, zero: 2), right: .init(input: 3, zero: 5), inputs)
    }
}

extension QLinearMatMul {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.product(of: 0, and: 3)]
    }
}
