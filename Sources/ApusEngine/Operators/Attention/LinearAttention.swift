internal import ApusCore

/// Attention without softmax: a state `S` per key head, which every position decays, corrects, adds
/// its key and value to, and reads: `S = exp(decay) S + k v^T`, `o = scale S^T q`; the delta rules add
/// `beta (v - S^T k)` instead of `v`.
///
/// - Shapes: `query [N, L, heads * size]`, `key [N, L, key heads * size]`, `value [N, L, key heads *
///   value size]`, `past_state [N, key heads, size, value size]`, `decay [N, L, key heads]` or `[N, L,
///   key heads * size]`, `beta [N, L, key heads]` or `[N, L, 1]`; the result is `[N, L, heads * value
///   size]`, and the state after it.
/// - Types: `float`, `float16`, `bfloat16`; computes in `float`.
/// - Source: ONNX LinearAttention, opset 27; Yang et al. 2024, "Gated Delta Networks". `chunk_size` is
///   a hint for other ways to compute the same.
struct LinearAttention: StepOperator {
    private let heads: Int
    private let keyHeads: Int
    private let scale: Float
    private let decays: Bool
    private let corrects: Bool

    init(_ node: NodeReader) throws(EngineError) {
        heads = try node.int("q_num_heads", default: 0)
        keyHeads = try node.int("kv_num_heads", default: 0)
        scale = try node.float("scale", default: 0)
        guard heads >= 1, keyHeads >= 1, heads % keyHeads == 0 else {
            throw node.fail(
                "q_num_heads is \(heads), which must be a multiple of kv_num_heads, \(keyHeads)")
        }
        let rule = try node.string("update_rule", default: "gated_delta")
        switch rule {
        case "linear": (decays, corrects) = (false, false)
        case "gated": (decays, corrects) = (true, false)
        case "delta": (decays, corrects) = (false, true)
        case "gated_delta": (decays, corrects) = (true, true)
        default:
            throw node.fail(
                "update_rule \"\(rule)\" is not linear, gated, delta or gated_delta")
        }
        guard node.hasInput(4) == decays, node.hasInput(5) == corrects else {
            throw node.fail(
                "update_rule \"\(rule)\" \(decays ? "needs" : "takes no") decay and "
                    + "\(corrects ? "needs" : "takes no") beta")
        }
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let geometry = try geometry(inputs)
        let type = try inputs.dataType(0)
        let output = [geometry.batch, geometry.rows, heads * geometry.valueSize]
        return [
            PlannedTensor(type, output),
            PlannedTensor(inputs.has(3) ? try inputs.dataType(3) : type, geometry.stateShape),
        ]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let geometry = try geometry(builder.inputs)
        var slots: [BufferSlot?] = []
        for index in 0..<6 {
            slots.append(
                builder.inputs.has(index)
                    ? try builder.numbers(ofInput: index, as: Float.self) : nil)
        }
        guard let query = slots[0], let key = slots[1], let value = slots[2] else { return }
        let output = try builder.resultSlot(output: 0, as: Float.self)
        let state = try builder.resultSlot(output: 1, as: Float.self)
        let work = LinearAttentionWork(
            geometry: geometry,
            scale: scale == 0 ? 1 / Float(geometry.size).squareRoot() : scale, query: query,
            key: key, value: value, pastState: slots[3], decay: slots[4], beta: slots[5],
            output: output, state: state)
        let (steps, overflow) = (geometry.rows * geometry.batch).multipliedReportingOverflow(
            by: geometry.heads)
        builder.addParallelStep(
            count: geometry.batch * keyHeads, scratchByteCount: geometry.valueSize * 4,
            operationCount: overflow ? Int.max / 4 : steps &* geometry.size &* geometry.valueSize
        ) { frame, range in
            for unit in range { work.run(frame, unit) }
        }
        try builder.addResult(output: 0, from: output, as: Float.self)
        try builder.addResult(output: 1, from: state, as: Float.self)
    }

    private func geometry(_ inputs: PlanInputs) throws(EngineError) -> LinearAttentionGeometry {
        let (query, key, value) = (
            try inputs.shape(0), try inputs.shape(1), try inputs.shape(2)
        )
        guard query.count == 3, key.count == 3, value.count == 3,
            Array(key[..<2]) == Array(query[..<2]), Array(value[..<2]) == Array(query[..<2])
        else {
            throw inputs.fail(
                "query \(query), key \(key) and value \(value) do not share a batch and a length")
        }
        let size = try inputs.headSize(query, heads: heads)
        let valueSize = try inputs.headSize(value, heads: keyHeads)
        guard key[2] == size * keyHeads,
            [query[0], query[1], heads, valueSize].checkedElementCount != nil
        else {
            throw inputs.fail(
                "query \(query), key \(key) and value \(value) do not fit \(heads) and "
                    + "\(keyHeads) heads")
        }
        var geometry = LinearAttentionGeometry(
            batch: query[0], rows: query[1], heads: heads, keyHeads: keyHeads,
            size: size, valueSize: valueSize)
        if inputs.has(3), try inputs.shape(3) != geometry.stateShape {
            throw inputs.fail(
                "past_state has shape \(try inputs.shape(3)), expected \(geometry.stateShape)")
        }
        if inputs.has(4) {
            let shape = try inputs.shape(4)
            guard shape.count == 3, Array(shape[..<2]) == Array(query[..<2]),
                shape[2] == keyHeads || shape[2] == key[2]
            else { throw inputs.fail("decay of shape \(shape) does not fit key \(key)") }
            geometry.decayCount = shape[2]
        }
        if inputs.has(5) {
            let shape = try inputs.shape(5)
            guard shape.count == 3, Array(shape[..<2]) == Array(query[..<2]),
                shape[2] == keyHeads || shape[2] == 1
            else { throw inputs.fail("beta of shape \(shape) does not fit key \(key)") }
            geometry.betaCount = shape[2]
        }
        return geometry
    }
}

/// The sizes of a linear attention.
struct LinearAttentionGeometry: Sendable {
    let batch: Int
    let rows: Int
    let heads: Int
    let keyHeads: Int
    let size: Int
    let valueSize: Int
    /// Numbers of one position.
    var decayCount = 0
    var betaCount = 0

    var stateShape: Shape { [batch, keyHeads, size, valueSize] }
}

/// The recurrence of one key head of one sequence.
private struct LinearAttentionWork: Sendable {
    let geometry: LinearAttentionGeometry
    let scale: Float
    let query: BufferSlot
    let key: BufferSlot
    let value: BufferSlot
    let pastState: BufferSlot?
    let decay: BufferSlot?
    let beta: BufferSlot?
    let output: BufferSlot
    let state: BufferSlot

    func run(_ frame: StepFrame, _ unit: Int) {
        let (image, head) = unit.quotientAndRemainder(dividingBy: geometry.keyHeads)
        let (size, valueSize) = (geometry.size, geometry.valueSize)
        let state = frame.memory(state, as: Float.self) + unit * size * valueSize
        if let pastState {
            state.update(
                from: frame.memory(pastState, as: Float.self) + unit * size * valueSize,
                count: size * valueSize)
        } else {
            state.update(repeating: 0, count: size * valueSize)
        }
        let added = frame.scratch(as: Float.self)
        let group = geometry.heads / geometry.keyHeads
        for row in 0..<geometry.rows {
            if frame.isCancelled { return }
            let position = image * geometry.rows + row
            let keyRow = position * geometry.keyHeads + head
            let k = frame.memory(key, as: Float.self) + keyRow * size
            let v = frame.memory(value, as: Float.self) + keyRow * valueSize
            applyDecay(frame, state, position, head)
            correct(frame, state, k, v, added, position, head)
            for d in 0..<size {
                let (line, factor) = (state + d * valueSize, k[d])
                for m in 0..<valueSize { line[m] += factor * added[m] }
            }
            for member in 0..<group {
                let queryRow = position * geometry.heads + head * group + member
                let q = frame.memory(query, as: Float.self) + queryRow * size
                let y = frame.memory(output, as: Float.self) + queryRow * valueSize
                combine(state, by: q, into: y)
                for m in 0..<valueSize { y[m] *= scale }
            }
        }
    }

    private func applyDecay(
        _ frame: StepFrame, _ state: UnsafeMutablePointer<Float>, _ position: Int, _ head: Int
    ) {
        guard let decay else { return }
        let perHead = geometry.decayCount / geometry.keyHeads
        let isShared = geometry.decayCount == geometry.keyHeads
        let decays =
            frame.memory(decay, as: Float.self) + position * geometry.decayCount + head * perHead
        for d in 0..<geometry.size {
            let factor = Float.exp(decays[isShared ? 0 : d])
            let line = state + d * geometry.valueSize
            for m in 0..<geometry.valueSize { line[m] *= factor }
        }
    }

    /// What is added to the state along the key: the value, or what the delta rule makes of it.
    private func correct(
        _ frame: StepFrame, _ state: UnsafeMutablePointer<Float>, _ k: UnsafePointer<Float>,
        _ v: UnsafePointer<Float>, _ added: UnsafeMutablePointer<Float>, _ position: Int,
        _ head: Int
    ) {
        guard let beta else {
            added.update(from: v, count: geometry.valueSize)
            return
        }
        let rate = frame.memory(beta, as: Float.self)[
            position * geometry.betaCount + (geometry.betaCount == 1 ? 0 : head)]
        combine(state, by: k, into: added)
        for m in 0..<geometry.valueSize { added[m] = rate * (v[m] - added[m]) }
    }

    /// `y = S^T x`.
    private func combine(
        _ state: UnsafePointer<Float>, by x: UnsafePointer<Float>,
        into y: UnsafeMutablePointer<Float>
    ) {
        y.update(repeating: 0, count: geometry.valueSize)
        for d in 0..<geometry.size {
            let (line, factor) = (state + d * geometry.valueSize, x[d])
            for m in 0..<geometry.valueSize { y[m] += factor * line[m] }
        }
    }
}

extension LinearAttention {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let rows = try node.items(alsoBatched: [1, 2, 3, 4, 5])
        return node.outputs.map { _ in rows }
    }
}
