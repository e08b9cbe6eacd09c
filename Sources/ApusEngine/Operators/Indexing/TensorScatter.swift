internal import ApusCore

/// Writes an update into a cache along its sequence axis, at a position per batch entry.
///
/// - Shapes: cache and update differ in `axis` only, which is not 0.
/// - Types: all. - Source: ONNX TensorScatter, opset 24.
struct TensorScatter: StepOperator {
    private let axis: Int
    private let isCircular: Bool

    init(_ node: NodeReader) throws(EngineError) {
        axis = try node.int("axis", default: -2)
        switch try node.string("mode", default: "linear") {
        case "linear": isCircular = false
        case "circular": isCircular = true
        case let mode: throw node.fail("mode \"\(mode)\" is neither linear nor circular")
        }
    }

    var movesElements: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let cache = try inputs.tensor(0)
        let update = try inputs.tensor(1)
        let axis = try inputs.normalized(axis: axis, rank: cache.shape.count)
        var expected = cache.shape
        if update.shape.count == expected.count { expected[axis] = update.shape[axis] }
        guard axis > 0, update == PlannedTensor(cache.dataType, expected),
            update.shape[axis] <= cache.shape[axis]
        else {
            throw inputs.fail(
                "an update of shape \(update.shape) does not fit a cache of shape \(cache.shape)")
        }
        if inputs.has(2), try inputs.shape(2) != [cache.shape[0]] {
            throw inputs.fail("write_indices must have one element per batch entry")
        }
        return [cache]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let shape = builder.outputs[0].shape
        let axis = try builder.inputs.normalized(axis: axis, rank: shape.count)
        let updateLength = try builder.inputs.shape(1)[axis]
        try builder.addWholeCopy()
        guard shape.elementCount > 0, updateLength > 0,
            let width = builder.outputs[0].dataType.byteCount
        else { return }
        let length = shape[axis]
        let blockByteCount = Array(shape[(axis + 1)...]).elementCount * width
        let prefixes = Array(shape[..<axis]).elementCount
        let perBatch = prefixes / shape[0]
        let reader =
            builder.inputs.has(2) ? try IndexReader(builder.inputs, input: 2) : nil
        let (isCircular, inputs) = (isCircular, builder.inputs)
        builder.addParallelStep(
            count: prefixes, operationCount: prefixes * updateLength * blockByteCount / 4
        ) { frame, range throws(EngineError) in
            for prefix in range {
                var start = 0
                if let reader {
                    // A position at the very end is valid where nothing is written.
                    start = try reader.index(frame.rawInput(2), prefix / perBatch, length: length)
                }
                guard isCircular || start + updateLength <= length else {
                    throw inputs.fail(
                        "\(updateLength) steps from \(start) on are beyond the cache's \(length)")
                }
                for step in 0..<updateLength {
                    let target = prefix * length + (start + step) % length
                    let source = prefix * updateLength + step
                    (frame.rawOutput(0) + target * blockByteCount).copyMemory(
                        from: frame.rawInput(1) + source * blockByteCount,
                        byteCount: blockByteCount)
                }
            }
        }
    }
}

extension TensorScatter {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.items(alsoBatched: [1, 2])]
    }
}
