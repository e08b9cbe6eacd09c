internal import ApusCore

/// Convolution whose taps lie where an input says: each tap's position is shifted by its offset, the
/// image is interpolated linearly there (zeros outside), and multiplied by the tap's mask.
///
/// - Shapes: `X [N, C, spatial]`, `W [M, C / group, kernel]`, `offset [N, G * taps * rank, spatial']`,
///   `B [M]`, `mask [N, G * taps, spatial']` for `G = offset_group`; `Y [N, M, spatial']`.
/// - Types: floats; half precision accumulates in `float`.
/// - Source: ONNX DeformConv, opset 22.
struct DeformConv: StepOperator {
    private let window: WindowAttributes
    private let groups: Int
    private let offsetGroups: Int

    init(_ node: NodeReader) throws(EngineError) {
        window = try WindowAttributes(node)
        groups = try node.int("group", default: 1)
        offsetGroups = try node.int("offset_group", default: 1)
        guard groups >= 1, offsetGroups >= 1 else {
            throw node.fail(
                "group is \(groups) and offset_group \(offsetGroups), allowed is 1 or more")
        }
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let shape = try resolved(inputs)
        let type = try inputs.dataType(0)
        for index in 1..<5 where inputs.has(index) {
            let other = try inputs.dataType(index)
            guard other == type else {
                throw inputs.fail("input \(index) is \(other), input 0 is \(type)")
            }
        }
        return [PlannedTensor(type, shape.output(isChannelsLast: false))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        guard builder.outputs[0].shape.elementCount > 0 else { return }
        let shape = try resolved(builder.inputs)
        let type = try builder.inputs.dataType(0)
        let (columns, overflow) = shape.inputChannels.multipliedReportingOverflow(
            by: shape.tapCount)
        guard !overflow, columns <= builder.memoryByteCountMax / 8 else {
            throw builder.inputs.fail("a window over \(columns) elements is too large")
        }
        let visitor = DeformedPixels(
            shape: shape, offsetGroups: offsetGroups,
            hasBias: builder.inputs.has(3), hasMask: builder.inputs.has(4))
        guard let body = try type.visitFloat(visitor) else {
            throw builder.inputs.fail("elements of type \(type) are not supported")
        }
        let pixels = shape.batch * shape.outputSpatial.reduce(1, *)
        let (work, isHuge) = pixels.multipliedReportingOverflow(
            by: columns &* (shape.outputChannels / groups + 8))
        builder.addParallelStep(
            count: pixels, scratchByteCount: columns * 8,
            operationCount: isHuge ? Int.max / 4 : work, body)
    }

    private func resolved(_ inputs: PlanInputs) throws(EngineError) -> ConvolutionShape {
        let shape = try ConvolutionShape(
            window, groups: groups, image: try inputs.shape(0), weights: try inputs.shape(1),
            inputs)
        guard shape.inputChannels % offsetGroups == 0 else {
            throw inputs.fail(
                "\(shape.inputChannels) channels do not divide into \(offsetGroups) groups of "
                    + "offsets")
        }
        let (planes, overflow) = offsetGroups.multipliedReportingOverflow(by: shape.tapCount)
        guard !overflow, planes <= 1 << 40 else {
            throw inputs.fail("offset_group \(offsetGroups) is too large")
        }
        let spatial = shape.outputSpatial
        let expected: [Int: Shape] = [
            2: [shape.batch, planes * spatial.count] + spatial, 3: [shape.outputChannels],
            4: [shape.batch, planes] + spatial,
        ]
        for index in 2..<5 where index == 2 || inputs.has(index) {
            let found = try inputs.shape(index)
            guard found == expected[index] else {
                throw inputs.fail(
                    "input \(index) has shape \(found), expected \(expected[index] ?? [])")
            }
        }
        return shape
    }
}

/// The work on output pixels: first the interpolated values of all channels and taps, then one sum
/// per output channel.
private struct DeformedPixels: FloatVisitor {
    let shape: ConvolutionShape
    let offsetGroups: Int
    let hasBias: Bool
    let hasMask: Bool

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let work = self
        let outputPixels = shape.outputSpatial.reduce(1, *)
        return { frame, range in
            for unit in range {
                let (image, pixel) = unit.quotientAndRemainder(dividingBy: outputPixels)
                work.sample(frame, type, image, pixel)
                work.multiply(frame, type, image, pixel)
            }
        }
    }

    /// Fills the scratch memory with `[C][taps]` values.
    private func sample<Element: FloatNumber>(
        _ frame: StepFrame, _ type: Element.Type, _ image: Int, _ pixel: Int
    ) {
        let (rank, taps) = (shape.axes.count, shape.tapCount)
        let outputPixels = shape.outputSpatial.reduce(1, *)
        let inputPixels = shape.inputSpatial.reduce(1, *)
        let offsets = frame.input(2, as: Element.self)
        let mask = hasMask ? frame.input(4, as: Element.self) : nil
        let values = frame.scratch(as: Element.Value.self)
        let channels = shape.inputChannels / offsetGroups
        var lower = SIMD8<Int>.zero
        var fraction = SIMD8<Double>.zero
        for group in 0..<offsetGroups {
            for tap in 0..<taps {
                let plane = (image * offsetGroups + group) * taps + tap
                var isInside = true
                var (restPixel, restTap) = (pixel, tap)
                for dimension in (0..<rank).reversed() {
                    let axis = shape.axes[dimension]
                    let base = axis.position(
                        of: restPixel % axis.output, tap: restTap % axis.kernel)
                    restPixel /= axis.output
                    restTap /= axis.kernel
                    let offset = offsets[(plane * rank + dimension) * outputPixels + pixel].value
                    let position = Double(base) + offset.asDouble
                    // False for NaN, too.
                    guard position > -1, position < Double(axis.input) else {
                        isInside = false
                        break
                    }
                    let floor = position.rounded(.down)
                    lower[dimension] = Int(floor)
                    fraction[dimension] = position - floor
                }
                let factor = mask.map { $0[plane * outputPixels + pixel].value } ?? .one
                for channel in group * channels..<(group + 1) * channels {
                    let x =
                        frame.input(0, as: Element.self)
                        + (image * shape.inputChannels + channel) * inputPixels
                    values[channel * taps + tap] =
                        isInside ? interpolated(x, lower, fraction) * factor : .zero
                }
            }
        }
    }

    private func interpolated<Element: FloatNumber>(
        _ x: UnsafePointer<Element>, _ lower: SIMD8<Int>, _ fraction: SIMD8<Double>
    ) -> Element.Value {
        let rank = shape.axes.count
        var sum = Element.Value.zero
        for corner in 0..<(1 << rank) {
            var weight = 1.0
            var offset = 0
            for dimension in 0..<rank {
                let upper = corner >> (rank - 1 - dimension) & 1
                let position = lower[dimension] + upper
                let length = shape.axes[dimension].input
                guard position >= 0, position < length else {
                    weight = 0
                    break
                }
                weight *= upper == 1 ? fraction[dimension] : 1 - fraction[dimension]
                offset = offset * length + position
            }
            if weight != 0 { sum += Element.Value(weight) * x[offset].value }
        }
        return sum
    }

    private func multiply<Element: FloatNumber>(
        _ frame: StepFrame, _ type: Element.Type, _ image: Int, _ pixel: Int
    ) {
        let outputPixels = shape.outputSpatial.reduce(1, *)
        let count = shape.inputChannels / shape.groups * shape.tapCount
        let columns = shape.outputChannels / shape.groups
        let weights = frame.input(1, as: Element.self)
        let bias = hasBias ? frame.input(3, as: Element.self) : nil
        let y = frame.output(0, as: Element.self) + image * shape.outputChannels * outputPixels
        for channel in 0..<shape.outputChannels {
            let values = frame.scratch(as: Element.Value.self) + channel / columns * count
            let row = weights + channel * count
            var sum = Element.Value.zero
            for i in 0..<count { sum += values[i] * row[i].value }
            if let bias { sum += bias[channel].value }
            y[channel * outputPixels + pixel] = Element(storing: sum)
        }
    }
}

extension DeformConv {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.items(alsoBatched: [2, 4])]
    }
}
