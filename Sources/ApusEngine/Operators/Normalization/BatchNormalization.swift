internal import ApusCore

/// Every channel shifted and scaled: `y = (x - mean) / √(variance + epsilon) * scale + bias`.
///
/// - Shapes: `x` is `[N, C, D1...]`; the parameters are `[C]`. With `spatial` = 0 (before opset 9)
///   every position of `x` but for `N` is a channel of its own.
/// - Types: `float`, `double`, `float16`, `bfloat16`, also for the parameters; the half precision
///   types compute in `float`.
/// - Training: mean and variance come from `x`, and the outputs after the first are the running
///   ones, `input * momentum + current * (1 - momentum)`; before opset 14 then the current ones.
/// - Complexity: one fused multiply-add per element.
/// - Source: ONNX BatchNormalization, opset 15; Ioffe & Szegedy 2015, Algorithms 1 and 2.
struct BatchNormalization: StepOperator {
    private let epsilon: Double
    private let momentum: Double
    private let isTraining: Bool
    private let isSpatial: Bool

    init(_ node: NodeReader) throws(EngineError) {
        epsilon = Double(try node.float("epsilon", default: 1e-5))
        momentum = Double(try node.float("momentum", default: 0.9))
        isSpatial = try node.flag("spatial", default: true)
        if node.opsetVersion >= 14 {
            isTraining = try node.flag("training_mode")
        } else {
            let isTest = try node.flag("is_test")
            isTraining = !isTest && (1..<5).contains { node.hasOutput($0) }
        }
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        let channels = try lines(source.shape).channels
        for index in 1..<5 {
            let count = try inputs.shape(index).elementCount
            guard count == channels else {
                throw inputs.fail(
                    "input \(index) has \(count) elements, expected one per channel: \(channels)")
            }
        }
        guard isTraining else { return [source] }
        let mean = try inputs.tensor(3)
        let variance = try inputs.tensor(4)
        return [source, mean, variance, mean, variance]
    }

    /// Channels, and how often each of them comes.
    private func lines(_ shape: Shape) throws(EngineError) -> ChannelLines {
        ChannelLines(shape, isSpatial: isSpatial)
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let type = try builder.inputs.dataType(0)
        switch type {
        case .float: try plan(Float.self, &builder)
        case .double: try plan(Double.self, &builder)
        case .float16: try plan(Float16.self, &builder)
        case .bfloat16: try plan(BFloat16.self, &builder)
        default: throw builder.inputs.fail("elements of type \(type) are not supported")
        }
    }

    private func plan<Element: FloatNumber>(
        _ type: Element.Type, _ builder: inout StepBuilder
    ) throws(EngineError) {
        let shape = try builder.inputs.shape(0)
        let channels = try lines(shape)
        let byteCount = 2 * channels.channels * MemoryLayout<Element.Value>.stride
        if let slot = try constantFactors(Element.Value.self, byteCount, &builder) {
            let factors = ChannelFactors<Element.Value>(slot: slot, count: channels.channels)
            return builder.addAffine(channels, factors, of: type)
        }
        let factors = ChannelFactors<Element.Value>(
            slot: try builder.temporary(byteCount: byteCount), count: channels.channels)
        if isTraining {
            try addTraining(type, channels, factors, &builder)
        } else {
            try addInference(channels, factors, &builder)
        }
        builder.addAffine(channels, factors, of: type)
    }

    /// The factors of parameters that are all constants of the model: computed once, not in every
    /// run. Nil if they are not.
    private func constantFactors<Value: FloatMath>(
        _ type: Value.Type, _ byteCount: Int, _ builder: inout StepBuilder
    ) throws(EngineError) -> BufferSlot? {
        var values: [[Double]] = []
        for index in 1..<5 {
            guard !isTraining, let constant = builder.inputs.constant(index)?.doubles,
                let operand = builder.nodeInputs[index], operand.modelConstant != nil
            else { return nil }
            values.append(constant)
        }
        let names = (2..<5).map { builder.nodeInputs[$0]?.name ?? "" }
        let epsilon = epsilon
        return try builder.packedConstant(
            input: 1, layout: "batch normalisation, \(type), \(epsilon), \(names)",
            byteCount: byteCount, keepsElements: true
        ) { _, target in
            let memory = target.bindMemory(to: type)
            let count = values[0].count
            for c in 0..<count {
                let (scale, shift) = batchFactors(
                    mean: values[2][c], variance: values[3][c] + epsilon, scale: values[0][c],
                    bias: values[1][c])
                memory[c] = Value(fromDouble: scale)
                memory[count + c] = Value(fromDouble: shift)
            }
        }
    }

    private func addInference<Value: FloatMath>(
        _ channels: ChannelLines, _ factors: ChannelFactors<Value>, _ builder: inout StepBuilder
    ) throws(EngineError) {
        let scale = try builder.parameter(1, as: Value.self)
        let bias = try builder.parameter(2, as: Value.self)
        let mean = try builder.parameter(3, as: Value.self)
        let variance = try builder.parameter(4, as: Value.self)
        let epsilon = epsilon
        builder.addParallelStep(
            count: channels.channels, grain: 512, operationCount: channels.channels * 8
        ) { frame, range in
            let (scale, bias) = (scale.pointer(frame), bias.pointer(frame))
            let (mean, variance) = (mean.pointer(frame), variance.pointer(frame))
            for c in range {
                factors.set(
                    frame, c, mean: mean[c].asDouble, variance: variance[c].asDouble + epsilon,
                    scale: scale[c].asDouble, bias: bias[c].asDouble)
            }
        }
    }

    private func addTraining<Element: FloatNumber>(
        _ type: Element.Type, _ channels: ChannelLines, _ factors: ChannelFactors<Element.Value>,
        _ builder: inout StepBuilder
    ) throws(EngineError) {
        let scale = try builder.parameter(1, as: Element.Value.self)
        let bias = try builder.parameter(2, as: Element.Value.self)
        let means = try RunningStatistic(input: 3, outputs: (1, 3), momentum, &builder)
        let variances = try RunningStatistic(input: 4, outputs: (2, 4), momentum, &builder)
        let epsilon = epsilon
        builder.addParallelStep(
            count: channels.channels,
            operationCount: channels.repeats * channels.length * channels.channels * 4
        ) { frame, range in
            let x = frame.input(0, as: Element.self)
            let (scale, bias) = (scale.pointer(frame), bias.pointer(frame))
            for c in range {
                let (mean, variance) = channels.statistics(x, channel: c)
                means.update(frame, c, mean)
                variances.update(frame, c, variance)
                factors.set(
                    frame, c, mean: mean, variance: variance + epsilon,
                    scale: scale[c].asDouble, bias: bias[c].asDouble)
            }
        }
    }
}

/// A tensor as runs of one channel: run `r` of channel `c` starts at element
/// `(r * channels + c) * length`.
struct ChannelLines: Sendable {
    let repeats: Int
    let channels: Int
    let length: Int

    /// - Parameter isSpatial: false if all dimensions but the first are channels.
    init(_ shape: Shape, isSpatial: Bool = true) {
        // A vector is a batch of one channel.
        repeats = shape.first ?? 1
        let rest = shape.dropFirst()
        channels = isSpatial ? rest.first ?? 1 : Array(rest).elementCount
        length = isSpatial ? Array(rest.dropFirst()).elementCount : 1
    }

    /// Mean and population variance of a channel.
    func statistics<Element: FloatNumber>(
        _ x: UnsafePointer<Element>, channel: Int
    ) -> (mean: Double, variance: Double) {
        let count = Double(repeats * length)
        var sum = 0.0
        forEach(x, channel) { sum += $0 }
        let mean = sum / count
        var squares = 0.0
        forEach(x, channel) { squares += ($0 - mean) * ($0 - mean) }
        return (mean, squares / count)
    }

    @inline(__always)
    private func forEach<Element: FloatNumber>(
        _ x: UnsafePointer<Element>, _ channel: Int, _ body: (Double) -> Void
    ) {
        for r in 0..<repeats {
            let start = x + (r * channels + channel) * length
            for i in 0..<length { body(start[i].value.asDouble) }
        }
    }
}

/// `y = x * scale + shift` for every channel; the scales lie before the shifts.
struct ChannelFactors<Value: FloatMath>: Sendable {
    let slot: BufferSlot
    /// Number of channels.
    let count: Int

    func scales(_ frame: StepFrame) -> UnsafeMutablePointer<Value> { frame.memory(slot) }
    func shifts(_ frame: StepFrame) -> UnsafeMutablePointer<Value> { scales(frame) + count }

    /// - Parameter variance: with epsilon.
    func set(
        _ frame: StepFrame, _ channel: Int, mean: Double, variance: Double, scale: Double,
        bias: Double
    ) {
        let factors = batchFactors(mean: mean, variance: variance, scale: scale, bias: bias)
        scales(frame)[channel] = Value(fromDouble: factors.scale)
        shifts(frame)[channel] = Value(fromDouble: factors.shift)
    }
}

/// One channel's normalisation as a scale and a shift.
private func batchFactors(
    mean: Double, variance: Double, scale: Double, bias: Double
) -> (scale: Double, shift: Double) {
    let factor = scale / variance.squareRoot()
    return (factor, bias - mean * factor)
}

extension StepBuilder {
    /// Adds a step that scales and shifts every channel.
    mutating func addAffine<Element: FloatNumber>(
        _ channels: ChannelLines, _ factors: ChannelFactors<Element.Value>, of type: Element.Type
    ) {
        let rows = RowMath<Element.Value>(kernels)
        // Channels that are single elements are done a row at a time.
        let isRow = channels.length == 1
        let lines =
            isRow
            ? LineShape(outer: channels.repeats, length: channels.channels)
            : LineShape(
                outer: channels.repeats * channels.channels, length: channels.length)
        let channelCount = channels.channels
        addLines(lines, of: type, worksInPlace: true, operationsPerElement: 2) {
            frame, x, y, line in
            let (scales, shifts) = (factors.scales(frame), factors.shifts(frame))
            let c = isRow ? 0 : line % channelCount
            rows.affine(
                x, scale: scales + c, shift: shifts + c, step: isRow ? 1 : 0, y, lines.length)
        }
    }
}

/// A mean or variance that training updates.
private struct RunningStatistic: Sendable {
    private typealias Update = @Sendable (StepFrame, Int, Double) -> Void
    private let writeRunning: Update?
    private let writeCurrent: Update?

    init(
        input: Int, outputs: (running: Int, current: Int), _ momentum: Double,
        _ builder: inout StepBuilder
    ) throws(EngineError) {
        let type = try builder.inputs.dataType(input)
        guard
            let running = try type.visitFloat(
                Writer(input: input, output: outputs.running, momentum: momentum)),
            let current = try type.visitFloat(
                Writer(input: input, output: outputs.current, momentum: 0))
        else { throw builder.inputs.fail("input \(input) has type \(type), expected a float type") }
        writeRunning = builder.wants(output: outputs.running) ? running : nil
        writeCurrent = builder.wants(output: outputs.current) ? current : nil
    }

    func update(_ frame: StepFrame, _ channel: Int, _ value: Double) {
        writeRunning?(frame, channel, value)
        writeCurrent?(frame, channel, value)
    }

    private struct Writer: FloatVisitor {
        let input: Int
        let output: Int
        let momentum: Double

        func visit<Element: FloatNumber>(_ type: Element.Type) -> Update {
            let (input, output, momentum) = (input, output, momentum)
            return { frame, channel, value in
                let before = frame.input(input, as: Element.self)[channel].value.asDouble
                let after = before * momentum + value * (1 - momentum)
                frame.output(output, as: Element.self)[channel] =
                    Element(storing: Element.Value(fromDouble: after))
            }
        }
    }
}

extension BatchNormalization {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        guard !isTraining || node.rows(0) == nil else {
            throw RowMixing("normalises by the statistics of the whole batch")
        }
        let rows = try node.items()
        return node.outputs.indices.map { $0 == 0 ? rows : nil }
    }
}
