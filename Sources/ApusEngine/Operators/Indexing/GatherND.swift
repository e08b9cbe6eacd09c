internal import ApusCore

/// Slices chosen by tuples of indices, the last dimension of `indices`.
///
/// - Shapes: the first `batch_dims` dimensions of both are equal and shared.
/// - Types: all. - Source: ONNX GatherND, opset 13.
struct GatherND: StepOperator {
    private let batchCount: Int

    init(_ node: NodeReader) throws(EngineError) {
        batchCount = try node.int("batch_dims", default: 0)
    }

    var movesElements: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let data = try inputs.tensor(0)
        let indices = try inputs.shape(1)
        let width = try tupleLength(data.shape, indices, inputs)
        let shape = indices.dropLast() + data.shape[(batchCount + width)...]
        return [PlannedTensor(data.dataType, Array(shape))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let data = try builder.inputs.tensor(0)
        let indices = try builder.inputs.shape(1)
        let width = try tupleLength(data.shape, indices, builder.inputs)
        let reader = try IndexReader(builder.inputs, input: 1)
        let count = builder.outputs[0].shape.elementCount
        guard count > 0, let byteCount = data.dataType.byteCount else { return }
        let tuples = IndexTuples(
            shape: data.shape, first: batchCount, width: width, reader: reader)
        let blockByteCount = tuples.blockCount * byteCount
        let tuplesPerBatch = Array(indices[batchCount..<(indices.count - 1)]).elementCount
        let batchByteCount = Array(data.shape[batchCount...]).elementCount * byteCount
        builder.addParallelStep(
            count: count / tuples.blockCount, grain: max(1, 4096 / blockByteCount),
            operationCount: count
        ) { frame, range throws(EngineError) in
            for tuple in range {
                let place = try tuples.place(frame.rawInput(1), tuple) * byteCount
                let source = frame.rawInput(0) + tuple / tuplesPerBatch * batchByteCount + place
                (frame.rawOutput(0) + tuple * blockByteCount).copyMemory(
                    from: source, byteCount: blockByteCount)
            }
        }
    }

    private func tupleLength(
        _ data: Shape, _ indices: Shape, _ inputs: PlanInputs
    ) throws(EngineError) -> Int {
        guard batchCount >= 0, let width = indices.last, batchCount < indices.count,
            width >= 1, batchCount <= data.count, width <= data.count - batchCount,
            Array(data[..<batchCount]) == Array(indices[..<batchCount])
        else {
            throw inputs.fail(
                "indices of shape \(indices) do not fit data of shape \(data) with \(batchCount) "
                    + "batch dimensions")
        }
        return width
    }
}

/// Tuples of indices that point to blocks of a tensor.
struct IndexTuples: Sendable {
    private let lengths: [Int]
    private let strides: [Int]
    private let reader: IndexReader
    /// Elements of a block.
    let blockCount: Int

    /// - Parameter first: the dimension that the tuple's first index belongs to.
    init(shape: Shape, first: Int, width: Int, reader: IndexReader) {
        let range = first..<(first + width)
        lengths = Array(shape[range])
        blockCount = Array(shape[(first + width)...]).elementCount
        var strides = [Int](repeating: blockCount, count: width)
        for index in stride(from: width - 2, through: 0, by: -1) {
            strides[index] = strides[index + 1] * shape[first + index + 1]
        }
        self.strides = strides
        self.reader = reader
    }

    /// Offset in elements of the block that tuple `number` points to.
    func place(_ indices: UnsafeRawPointer, _ number: Int) throws(EngineError) -> Int {
        var offset = 0
        for position in lengths.indices {
            let index = try reader.index(
                indices, number * lengths.count + position, length: lengths[position])
            offset += index * strides[position]
        }
        return offset
    }
}

extension GatherND {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let (data, indices) = (node.rows(0), node.rows(1))
        if node.fact(1) == .tuples, let data, let indices {
            guard batchCount == 0, data == RowAxis(0), indices.axis < (try node.shape(1).count) - 1
            else { throw RowMixing("selects by positions of rows") }
            // Each row finds its own elements.
            return [indices]
        }
        if data == nil {
            guard let indices, indices.axis < (try node.shape(1).count) - 1,
                indices.axis >= batchCount
            else {
                if indices == nil { return [nil] }
                throw RowMixing("selects by rows of the batch")
            }
            return [indices]
        }
        guard let data, data == indices, data.axis < batchCount else {
            throw RowMixing("selects among the rows of the batch")
        }
        return [data]
    }
}

extension GatherND: RowFactOperator {
    func fact(through node: RowNode) throws(RowMixing) -> RowFact? {
        if let fact = node.fact(0) { throw RowMixing(fact.reason) }
        guard let fact = node.fact(1) else { return nil }
        guard fact == .tuples, node.rows(0) != nil else { throw RowMixing(fact.reason) }
        return nil
    }
}
