internal import ApusCore

/// The product of quantized matrices less their zero points, as `int32`.
///
/// - Shapes: as MatMul; the zero point of A is one number or one per row, that of B one number or
///   one per column.
/// - Types: `int8` and `uint8` in every combination; sums wrap.
/// - Source: ONNX MatMulInteger, opset 10.
struct MatMulInteger: StepOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [PlannedTensor(.int32, try product(inputs).shape.output)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        guard builder.outputs[0].shape.elementCount > 0 else { return }
        try product(builder.inputs).plan(&builder) { frame, row in
            (frame.output(0, as: Int32.self) + row.target).update(
                from: row.sums, count: row.count)
        }
    }

    private func product(_ inputs: PlanInputs) throws(EngineError) -> QuantizedProduct {
        try QuantizedProduct(
            left: .init(input: 0, zero: inputs.has(2) ? 2 : nil),
            right: .init(input: 1, zero: inputs.has(3) ? 3 : nil), inputs)
    }
}

extension MatMulInteger {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.product(of: 0, and: 1)]
    }
}
