internal import ApusCore

/// Depthwise convolution along a sequence that looks only back, with the end of the sequence so far
/// carried from call to call: `y[t] = activation(bias + Σ_j w[j] * s[t + j])` where `s` is the state,
/// or zeros, followed by the input.
///
/// - Shapes: input `[N, C, length]`, weight `[C, 1, k]`, bias `[C]`, states `[N, C, k - 1]`.
/// - Types: `float`, `float16`, `bfloat16` (accumulate in `float`), `double`.
/// - Source: ONNX CausalConvWithState, opset 27.
struct CausalConvWithState: StepOperator {
    private let isSilu: Bool

    init(_ node: NodeReader) throws(EngineError) {
        let name = try node.string("activation", default: "none")
        switch name {
        case "none", "": isSilu = false
        case "silu", "swish": isSilu = true
        default: throw node.fail("activation \"\(name)\" is not silu, swish or none")
        }
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        let weights = try inputs.shape(1)
        guard source.shape.count == 3, weights.count == 3, weights[2] >= 1,
            weights == [source.shape[1], 1, weights[2]]
        else {
            throw inputs.fail(
                "weights of shape \(weights) do not fit an input of shape \(source.shape)")
        }
        let state = [source.shape[0], source.shape[1], weights[2] - 1]
        let expected = [2: [source.shape[1]], 3: state]
        for index in 1..<4 where inputs.has(index) {
            let tensor = try inputs.tensor(index)
            guard tensor.dataType == source.dataType,
                tensor.shape == expected[index] ?? tensor.shape
            else {
                throw inputs.fail(
                    "input \(index) is \(tensor.dataType) of shape \(tensor.shape), expected "
                        + "\(source.dataType) of shape \(expected[index] ?? weights)")
            }
        }
        return [source, PlannedTensor(source.dataType, state)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.tensor(0)
        let taps = try builder.inputs.shape(1)[2]
        let length = source.shape[2]
        let (total, overflow) = length.addingReportingOverflow(taps)
        guard !overflow, total <= builder.memoryByteCountMax / 16 else {
            throw builder.inputs.fail("a sequence of \(length) is too long")
        }
        let rows = source.shape[0] * source.shape[1]
        let visitor = CausalRows(
            channels: max(source.shape[1], 1), length: length, taps: taps, isSilu: isSilu,
            hasBias: builder.inputs.has(2), hasState: builder.inputs.has(3),
            wantsOutput: builder.wants(output: 0), wantsState: builder.wants(output: 1))
        guard let body = try source.dataType.visitFloat(visitor) else {
            throw builder.inputs.fail("elements of type \(source.dataType) are not supported")
        }
        let (work, isHuge) = (rows * length).multipliedReportingOverflow(by: taps)
        builder.addParallelStep(
            count: rows, scratchByteCount: (2 * length + taps) * 8,
            operationCount: isHuge ? Int.max / 4 : work, body)
    }
}

/// The work on one channel of one sequence at a time.
private struct CausalRows: FloatVisitor {
    let channels: Int
    let length: Int
    let taps: Int
    let isSilu: Bool
    let hasBias: Bool
    let hasState: Bool
    let wantsOutput: Bool
    let wantsState: Bool

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let work = self
        return { frame, range in
            for row in range { work.compute(row, frame, type) }
        }
    }

    private func compute<Element: FloatNumber>(
        _ row: Int, _ frame: StepFrame, _ type: Element.Type
    ) {
        let carried = taps - 1
        let sequence = frame.scratch(as: Element.Value.self)
        let sums = sequence + (length + carried)
        let past = hasState ? frame.input(3, as: Element.self) + row * carried : nil
        for i in 0..<carried { sequence[i] = past.map { $0[i].value } ?? .zero }
        let x = frame.input(0, as: Element.self) + row * length
        for i in 0..<length { sequence[carried + i] = x[i].value }
        if wantsState {
            let state = frame.output(1, as: Element.self) + row * carried
            for i in 0..<carried { state[i] = Element(storing: sequence[length + i]) }
        }
        guard wantsOutput else { return }
        let channel = row % channels
        let weights = frame.input(1, as: Element.self) + channel * taps
        let bias = hasBias ? frame.input(2, as: Element.self)[channel].value : .zero
        for i in 0..<length { sums[i] = bias }
        for tap in 0..<taps {
            let weight = weights[tap].value
            for i in 0..<length { sums[i] += weight * sequence[tap + i] }
        }
        let y = frame.output(0, as: Element.self) + row * length
        for i in 0..<length {
            let sum = sums[i]
            y[i] = Element(storing: isSilu ? sum / (1 + Element.Value.exp(-sum)) : sum)
        }
    }
}

extension CausalConvWithState {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let rows = try node.items(alsoBatched: [3])
        return node.outputs.map { _ in rows }
    }
}
