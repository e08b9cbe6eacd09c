internal import ApusCore

/// Scaled dot-product attention: `Y = softmax(cap(scale * Q K^T) + mask) V`, head by head.
///
/// - Shapes: `Q [N, heads, L, size]`, `K [N, key heads, S, size]`, `V [N, key heads, S, value size]`, or
///   all of them `[N, L, heads * size]`; several query heads may share a key head. The mask broadcasts
///   to `[N, heads, L, past + S]`. `past_key` and `past_value`, `[N, key heads, past, size]`, come before
///   K and V; `present_key` and `present_value` are both together. `Y` has the shape of Q with the
///   values' size. The engine's own `apus.Attention` can take `[N, L, heads, size]`.
/// - Types: floats; half precision computes in `float`, and everything in `double` where the inputs or
///   `softmax_precision` ask for it. A mask may be of any number, or booleans.
/// - A query that sees no key yields zeros (in `apus.Attention` what Softmax makes of it: NaN).
/// - Source: ONNX Attention, opset 25; positions of queries count from the end of the past keys, or
///   with `nonpad_kv_seqlen` so that the last query is at the last valid key.
struct Attention: StepOperator {
    private let attributes: AttentionAttributes

    init(_ node: NodeReader) throws(EngineError) { attributes = try AttentionAttributes(node) }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let geometry = try AttentionGeometry(attributes, inputs)
        _ = try AttentionMask(attributes, geometry, inputs)
        let (type, valueType) = (try inputs.dataType(0), try inputs.dataType(2))
        for (index, expected) in [(1, type), (4, type), (5, valueType)] where inputs.has(index) {
            guard try inputs.dataType(index) == expected else {
                throw inputs.fail(
                    "input \(index) is \(try inputs.dataType(index)), expected \(expected)")
            }
        }
        return [
            PlannedTensor(type, geometry.outputShape),
            PlannedTensor(type, geometry.keyCacheShape),
            PlannedTensor(valueType, geometry.valueCacheShape),
            PlannedTensor(type, geometry.scoresShape),
        ]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let isDouble =
            attributes.softmaxPrecision == .double
            || builder.outputs[0].dataType == .double || builder.outputs[2].dataType == .double
        if isDouble {
            try plan(Double.self, &builder)
        } else {
            try plan(Float.self, &builder)
        }
    }

    private func plan<Value: AttentionValue>(
        _ type: Value.Type, _ builder: inout StepBuilder
    ) throws(EngineError) {
        let geometry = try AttentionGeometry(attributes, builder.inputs)
        let (keys, keyStrides) = try addCache(type, new: 1, past: 4, geometry, &builder)
        let (values, valueStrides) = try addCache(type, new: 2, past: 5, geometry, &builder)
        guard builder.outputs[0].shape.elementCount > 0 || builder.wants(output: 3) else { return }
        let packed = try addPacking(
            type, geometry, keys: (keys, keyStrides), values: (values, valueStrides), &builder)
        var mask = try AttentionMask(attributes, geometry, builder.inputs)
        if builder.inputs.has(3) {
            mask.kind =
                try builder.inputs.dataType(3) == .bool
                ? .flags : .numbers(try builder.numbers(ofInput: 3, as: type))
        }
        let target = try builder.resultSlot(output: 0, as: type)
        let scores = builder.wants(output: 3) ? try builder.resultSlot(output: 3, as: type) : nil
        let scale = attributes.scale ?? 1 / Float(geometry.size).squareRoot()
        let work = AttentionWork<Value>(
            geometry: geometry, mask: mask, attributes: attributes, kernels: builder.kernels,
            scale: Value(scale), query: try builder.numbers(ofInput: 0, as: type),
            packedKeys: packed.keys, packedValues: packed.values, target: target, scores: scores)
        try builder.checkScratch(work.scratchByteCount)
        builder.addParallelStep(
            count: work.unitCount, scratchByteCount: work.scratchByteCount,
            operationCount: work.operationCount
        ) { frame, range in
            for unit in range { work.run(frame, unit) }
        }
        try builder.addResult(output: 0, from: target, as: type)
        if let scores { try builder.addResult(output: 3, from: scores, as: type) }
    }

    /// All keys (or values): the input itself, or past and new ones together; also as an output.
    private func addCache<Value: AttentionValue>(
        _ type: Value.Type, new: Int, past: Int, _ geometry: AttentionGeometry,
        _ builder: inout StepBuilder
    ) throws(EngineError) -> (BufferSlot, HeadStrides) {
        let isKey = new == 1
        let strides = isKey ? geometry.key : geometry.value
        let isWanted = builder.wants(output: new)
        guard isWanted || geometry.pastKeys > 0 else {
            return (try builder.numbers(ofInput: new, as: type), strides)
        }
        let tensor = builder.outputs[new]
        let count = tensor.shape.elementCount
        let (byteCount, overflow) = count.multipliedReportingOverflow(
            by: tensor.dataType.byteCount ?? 1)
        guard !overflow else { throw builder.inputs.fail("the shape \(tensor.shape) is too large") }
        let slot =
            isWanted ? builder.outputSlot(new) : try builder.temporary(byteCount: byteCount)
        let join = CacheJoin(
            new: new, past: geometry.pastKeys > 0 ? past : nil, target: slot, geometry: geometry,
            strides: strides, size: isKey ? geometry.size : geometry.valueSize)
        guard let body = try tensor.dataType.visitWidth(join) else {
            throw builder.inputs.fail("elements of type \(tensor.dataType) are not supported")
        }
        builder.addParallelStep(
            count: geometry.batch * geometry.keyHeads * geometry.keys, grain: 16,
            operationCount: count, body)
        let numbers = try builder.numbers(in: slot, tensor.dataType, count: count, as: type)
        return (numbers, HeadStrides(tensor.shape, heads: geometry.keyHeads))
    }

    /// Keys and values of all key heads as right operands of products.
    private func addPacking<Value: AttentionValue>(
        _ type: Value.Type, _ geometry: AttentionGeometry,
        keys: (slot: BufferSlot, strides: HeadStrides),
        values: (slot: BufferSlot, strides: HeadStrides), _ builder: inout StepBuilder
    ) throws(EngineError) -> (keys: BufferSlot, values: BufferSlot) {
        let (count, size, valueSize) = (geometry.keys, geometry.size, geometry.valueSize)
        let kernels = builder.kernels
        let keyStride = Value.packedCount(kernels, k: size, n: count)
        let valueStride = Value.packedCount(kernels, k: count, n: valueSize)
        let heads = geometry.keyHeads
        let packedKeys = try builder.temporary(of: type, [geometry.batch, heads, keyStride])
        let packedValues = try builder.temporary(of: type, [geometry.batch, heads, valueStride])
        builder.addParallelStep(
            count: geometry.batch * heads * 2,
            operationCount: geometry.batch * heads * (keyStride &+ valueStride)
        ) { frame, range in
            for unit in range {
                let (image, head) = (unit / 2).quotientAndRemainder(dividingBy: heads)
                if unit % 2 == 0 {
                    let from = image * keys.strides.batch + head * keys.strides.head
                    Value.pack(
                        kernels, frame.memory(keys.slot, as: type) + from, rowStride: 1,
                        columnStride: keys.strides.row, k: size, n: count,
                        into: frame.memory(packedKeys, as: type) + unit / 2 * keyStride)
                } else {
                    let from = image * values.strides.batch + head * values.strides.head
                    Value.pack(
                        kernels, frame.memory(values.slot, as: type) + from,
                        rowStride: values.strides.row, columnStride: 1, k: count, n: valueSize,
                        into: frame.memory(packedValues, as: type) + unit / 2 * valueStride)
                }
            }
        }
        return (packedKeys, packedValues)
    }
}

/// Puts past and new keys (or values) one behind the other: `[batch, head, key, size]`.
private struct CacheJoin: WidthVisitor {
    let new: Int
    let past: Int?
    let target: BufferSlot
    let geometry: AttentionGeometry
    let strides: HeadStrides
    let size: Int

    func visit<Element: BitwiseCopyable & Sendable>(_ type: Element.Type) -> StepBody {
        let work = self
        return { frame, range in
            let (heads, pastKeys) = (work.geometry.keyHeads, work.geometry.pastKeys)
            for row in range {
                let (plane, key) = row.quotientAndRemainder(dividingBy: work.geometry.keys)
                let target = frame.memory(work.target, as: type) + row * work.size
                if let past = work.past, key < pastKeys {
                    let source = frame.input(past, as: type) + (plane * pastKeys + key) * work.size
                    target.update(from: source, count: work.size)
                } else {
                    let source =
                        frame.input(work.new, as: type) + plane / heads * work.strides.batch
                        + plane % heads * work.strides.head + (key - pastKeys) * work.strides.row
                    target.update(from: source, count: work.size)
                }
            }
        }
    }
}

extension Attention {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        var batched: Set = [1, 2, 4, 5, 6]
        // A mask of a lower rank is the same for all rows.
        if node.inputs.has(3), try node.shape(3).count == 4 { batched.insert(3) }
        let rows = try node.items(alsoBatched: batched)
        return node.outputs.map { _ in rows }
    }
}
