internal import ApusCore

/// Reverses the first `sequence_lens[b]` steps of each sequence `b` of a batch.
///
/// - Shapes: rank 2 or more; batch and time are axes 0 and 1 in either order.
/// - Types: all. - Source: ONNX ReverseSequence, opset 10.
struct ReverseSequence: StepOperator {
    private let timeAxis: Int
    private let batchAxis: Int

    init(_ node: NodeReader) throws(EngineError) {
        timeAxis = try node.int("time_axis", default: 0)
        batchAxis = try node.int("batch_axis", default: 1)
        guard [timeAxis, batchAxis].sorted() == [0, 1] else {
            throw node.fail("time_axis and batch_axis must be 0 and 1")
        }
    }

    var movesElements: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        let lengths = try inputs.tensor(1)
        guard source.shape.count >= 2, lengths.dataType == .int64,
            lengths.shape == [source.shape[batchAxis]]
        else {
            throw inputs.fail(
                "sequence_lens of shape \(lengths.shape) do not fit an input of shape "
                    + "\(source.shape)")
        }
        return [source]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let shape = builder.outputs[0].shape
        guard shape.elementCount > 0, let width = builder.outputs[0].dataType.byteCount else {
            return
        }
        let blockByteCount = Array(shape[2...]).elementCount * width
        let (timeAxis, batchAxis, inputs) = (timeAxis, batchAxis, builder.inputs)
        let steps = shape[timeAxis]
        let columns = shape[1]
        builder.addParallelStep(
            count: shape[0] * shape[1], operationCount: shape.elementCount
        ) { frame, range throws(EngineError) in
            let lengths = frame.input(1, as: Int64.self)
            for block in range {
                let position = [block / columns, block % columns]
                let (time, batch) = (position[timeAxis], position[batchAxis])
                guard lengths[batch] >= 0, lengths[batch] <= steps else {
                    throw inputs.fail("sequence length \(lengths[batch]) is not in 0...\(steps)")
                }
                let length = Int(lengths[batch])
                let from = time < length ? length - 1 - time : time
                let source = timeAxis == 0 ? from * columns + batch : batch * columns + from
                (frame.rawOutput(0) + block * blockByteCount).copyMemory(
                    from: frame.rawInput(0) + source * blockByteCount, byteCount: blockByteCount)
            }
        }
    }
}

extension ReverseSequence {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        guard let rows = node.rows(0), rows.axis == batchAxis,
            node.rows(1) == rows.moved(to: 0)
        else {
            if node.rows(0) == nil, node.rows(1) == nil { return [nil] }
            throw RowMixing("reverses the rows of the batch")
        }
        return [rows]
    }
}
