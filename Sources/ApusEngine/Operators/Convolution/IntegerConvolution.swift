internal import ApusCore

/// A convolution of 8-bit integers, exact in 32 bits: what ConvInteger and QLinearConv share.
///
/// Zero points are taken off first, so that padding is zero; every pair of `int8` and `uint8` then
/// fits into 16 bits.
struct IntegerConvolution {
    let shape: ConvolutionShape
    let image: Int
    let imageZero: Int
    let weights: Int
    /// One element, or one per output channel.
    let weightZero: Int

    /// - Throws: unless types, shapes and zero points fit.
    init(
        _ window: WindowAttributes, groups: Int, image: Int, imageZero: Int, weights: Int,
        weightZero: Int, _ inputs: PlanInputs
    ) throws(EngineError) {
        shape = try ConvolutionShape(
            window, groups: groups, image: try inputs.shape(image),
            weights: try inputs.shape(weights), inputs)
        (self.image, self.imageZero) = (image, imageZero)
        (self.weights, self.weightZero) = (weights, weightZero)
        for (index, zero) in [(image, imageZero), (weights, weightZero)] {
            let type = try inputs.dataType(index)
            guard type == .int8 || type == .uint8 else {
                throw inputs.fail("input \(index) is \(type), allowed are int8 and uint8")
            }
            guard inputs.has(zero) else { continue }
            let tensor = try inputs.tensor(zero)
            let count = tensor.shape.elementCount
            let isPerChannel =
                index == weights && tensor.shape == [shape.outputChannels]
            guard tensor.dataType == type, count == 1 || isPerChannel else {
                throw inputs.fail(
                    "the zero point of input \(index) is \(tensor.dataType) of shape "
                        + "\(tensor.shape), which does not fit \(type)")
            }
        }
    }

    /// Adds the steps; `store` gets the step's frame once, then (output, channel, sum) many times.
    func plan(
        _ builder: inout StepBuilder,
        store: @escaping @Sendable (StepFrame) -> (Int, Int, Int32) -> Void
    ) throws(EngineError) {
        let work = try DirectConvolution(
            shape.floatConvolution, byteCountMax: builder.memoryByteCountMax)
        try builder.checkScratch(work.scratchByteCount)
        let x = try builder.addCentered(input: image, zero: imageZero, blocks: 1)
        let w = try builder.addCentered(
            input: weights, zero: weightZero, blocks: shape.outputChannels)
        builder.addParallelStep(
            count: work.unitCount, scratchByteCount: work.scratchByteCount,
            operationCount: work.operationCount
        ) { frame, range in
            let x = frame.memory(x, as: Int16.self)
            let w = frame.memory(w, as: Int16.self)
            let store = store(frame)
            work.run(range, scratch: frame.scratch()) { i, j, _ in
                Int32(x[i]) &* Int32(w[j])
            } store: { output, channel, sum in
                store(output, channel, sum)
            }
        }
    }
}

extension StepBuilder {
    /// Adds a step that takes the zero point off an 8-bit input.
    ///
    /// - Parameter blocks: the input's equal parts, which may have zero points of their own.
    /// - Returns: the differences as `Int16`.
    mutating func addCentered(
        input: Int, zero: Int, blocks: Int
    ) throws(EngineError) -> BufferSlot {
        let tensor = try inputs.tensor(input)
        let count = tensor.shape.elementCount
        let (byteCount, overflow) = count.multipliedReportingOverflow(by: 2)
        guard !overflow else { throw inputs.fail("input \(input) is too large") }
        let target = try temporary(byteCount: byteCount)
        let zeroCount = inputs.has(zero) ? try inputs.shape(zero).elementCount : 1
        let zeroStep = zeroCount > 1 ? 1 : 0
        let visitor = Centering(
            input: input, zero: inputs.has(zero) ? zero : nil, zeroStep: zeroStep,
            blockCount: max(count / max(blocks, 1), 1), target: target)
        guard let body = try tensor.dataType.visitInteger(visitor) else {
            throw inputs.fail("elements of type \(tensor.dataType) are not supported")
        }
        addParallelStep(count: count, grain: 4096, operationCount: count, body)
        return target
    }
}

private struct Centering: IntegerVisitor {
    let input: Int
    let zero: Int?
    /// 1 if every block has its zero point.
    let zeroStep: Int
    let blockCount: Int
    let target: BufferSlot

    func visit<Element: IntegerNumber>(_ type: Element.Type) -> StepBody {
        let work = self
        return { frame, range in
            let x = frame.input(work.input, as: Element.self)
            let y = frame.memory(work.target, as: Int16.self)
            let zeros = work.zero.map { frame.input($0, as: Element.self) }
            var start = range.lowerBound
            while start < range.upperBound {
                let block = start / work.blockCount
                let end = min((block + 1) * work.blockCount, range.upperBound)
                let zero = zeros.map { Int16(truncatingIfNeeded: $0[block &* work.zeroStep]) } ?? 0
                for i in start..<end { y[i] = Int16(truncatingIfNeeded: x[i]) &- zero }
                start = end
            }
        }
    }
}
