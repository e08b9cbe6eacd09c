internal import ApusCore

/// The same bits as another type of equal width.
///
/// - Source: ONNX BitCast, opset 26.
struct BitCast: StepOperator {
    private let target: DataType

    init(_ node: NodeReader) throws(EngineError) {
        guard let type = try node.dataType("to") else {
            throw node.fail("attribute \"to\" is missing")
        }
        target = type
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        guard let width = target.byteCount, width == source.dataType.byteCount,
            target.packedBitCount == source.dataType.packedBitCount
        else { throw inputs.fail("\(source.dataType) has not the width of \(target)") }
        return [PlannedTensor(target, source.shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        guard let width = builder.outputs[0].dataType.packedBitCount else {
            return try builder.addWholeCopy()
        }
        // In memory a signed value of less than a byte is sign-extended, an unsigned one is not.
        let isSigned = target == .int4 || target == .int2
        let unused = UInt8(8 - width)
        builder.addElementwise { frame, range in
            let x = frame.input(0, as: UInt8.self)
            let y = frame.output(0, as: UInt8.self)
            for i in range {
                let high = x[i] << unused
                y[i] =
                    isSigned
                    ? UInt8(bitPattern: Int8(bitPattern: high) >> Int8(unused)) : high >> unused
            }
        }
    }
}

extension BitCast {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [node.rows(0)]
    }
}
