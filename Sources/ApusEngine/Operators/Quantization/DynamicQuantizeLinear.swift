internal import ApusCore

/// Quantizes to `uint8` by the range of the values: `scale = (max(x, 0) - min(x, 0)) / 255`,
/// `zero point = saturate(round(-min(x, 0) / scale))`.
///
/// - Shapes: `y` as `x`; scale and zero point are scalars. - Types: `float`.
/// - Source: ONNX DynamicQuantizeLinear, opset 11.
struct DynamicQuantizeLinear: StepOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    /// How many parts the search for the extremes has: the same whatever the threads.
    private static let partCount = 64

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        guard source.dataType == .float else {
            throw inputs.fail("input 0 has type \(source.dataType), expected float")
        }
        return [
            PlannedTensor(.uint8, source.shape), PlannedTensor(.float, []),
            PlannedTensor(.uint8, []),
        ]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let count = try builder.inputs.shape(0).elementCount
        let parts = Self.partCount
        let extremes = try builder.temporary(byteCount: parts * 8)
        let chosen = try builder.temporary(byteCount: 8)
        let (wantsScale, wantsZero) = (builder.wants(output: 1), builder.wants(output: 2))
        builder.addParallelStep(count: parts, operationCount: count * 2) { frame, range in
            let x = frame.input(0, as: Float.self)
            let found = frame.memory(extremes, as: Float.self)
            for part in range {
                var low: Float = 0
                var high: Float = 0
                for i in part * count / parts..<(part + 1) * count / parts {
                    low = Float.smaller(low, x[i])
                    high = Float.larger(high, x[i])
                }
                found[2 * part] = low
                found[2 * part + 1] = high
            }
        }
        builder.addStep(isSerial: true) { frame in
            let found = frame.memory(extremes, as: Float.self)
            var low: Float = 0
            var high: Float = 0
            for part in 0..<parts {
                low = Float.smaller(low, found[2 * part])
                high = Float.larger(high, found[2 * part + 1])
            }
            let scale = (low == high ? 1 : high - low) / 255
            let zero = -low / scale
            let clamped = zero > 0 ? (zero < 255 ? zero : 255) : 0
            let rounded = clamped.rounded(.toNearestOrEven)
            let target = frame.memory(chosen, as: Float.self)
            target[0] = scale
            target[1] = rounded
            if wantsScale { frame.output(1, as: Float.self)[0] = scale }
            if wantsZero { frame.output(2, as: UInt8.self)[0] = UInt8(rounded) }
        }
        guard builder.wants(output: 0), let writer = QuantizedWriter(.uint8) else { return }
        builder.addParallelStep(
            count: count, grain: 1024, scratchByteCount: quantizationBlockCount * 4,
            operationCount: count * 4
        ) { frame, range in
            let x = frame.input(0, as: Float.self)
            let y = frame.rawOutput(0)
            let block = frame.scratch(as: Float.self)
            let scale = frame.memory(chosen, as: Float.self)
            var start = range.lowerBound
            while start < range.upperBound {
                let part = min(quantizationBlockCount, range.upperBound - start)
                for i in 0..<part { block[i] = x[start + i] / scale[0] }
                writer.write(block, part, scale + 1, 0, y, start)
                start += part
            }
        }
    }
}

extension DynamicQuantizeLinear {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        guard node.rows(0) == nil else {
            throw RowMixing("takes one scale for all rows of the batch")
        }
        return node.outputs.map { _ in nil }
    }
}
