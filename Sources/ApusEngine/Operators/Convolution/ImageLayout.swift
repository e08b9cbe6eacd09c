internal import ApusCore

/// Moves images between the layout of ONNX, channels first, and the engine's, channels last, where
/// elements are `float`.
struct ImageLayout: Sendable {
    var batch: Int
    var channels: Int
    /// Rows of pixels in an image: all spatial dimensions but the last.
    var rows: Int
    var width: Int
    /// Zeros before and behind each row of the image with channels last.
    var haloBegin = 0
    var haloEnd = 0

    init(batch: Int, channels: Int, spatial: [Int]) {
        self.batch = batch
        self.channels = channels
        rows = spatial.dropLast().reduce(1, *)
        width = spatial.last ?? 1
    }

    var pixels: Int { rows * width }
    /// Whether both layouts are the same bytes.
    var isTrivial: Bool { (channels == 1 || pixels == 1) && haloBegin == 0 && haloEnd == 0 }
    /// The shape with channels last, halos included.
    var shape: Shape { [batch, rows, haloBegin + width + haloEnd, channels] }

    fileprivate static let tile = 16
}

extension StepBuilder {
    /// Adds the step from an input with channels first, of any float type, to `float` with channels
    /// last.
    ///
    /// - Returns: where the result lies: the input itself if there is nothing to do.
    mutating func channelsLast(
        input: Int, _ layout: ImageLayout
    ) throws(EngineError) -> BufferSlot {
        let type = try inputs.dataType(input)
        if layout.isTrivial && type == .float { return inputSlot(input) }
        guard let byteCount = PlannedTensor(.float, layout.shape).byteCount else {
            throw inputs.fail("an image of shape \(layout.shape) is too large")
        }
        let target = try temporary(byteCount: byteCount)
        guard
            let body = try type.visitFloat(
                ToChannelsLast(layout: layout, source: input, target: target))
        else { throw inputs.fail("elements of type \(type) are not supported") }
        addParallelStep(
            count: layout.batch * layout.rows, operationCount: byteCount / 4, body)
        return target
    }

    /// Adds the step from `float` with channels last to an output with channels first.
    mutating func addChannelsFirst(
        from source: BufferSlot, output: Int, _ layout: ImageLayout
    ) throws(EngineError) {
        let type = outputs[output].dataType
        guard
            let body = try type.visitFloat(
                ToChannelsFirst(layout: layout, source: source, target: output))
        else { throw inputs.fail("elements of type \(type) are not supported") }
        let blocks = (layout.channels + ImageLayout.tile - 1) / ImageLayout.tile
        addParallelStep(
            count: layout.batch * blocks, operationCount: outputs[output].shape.elementCount, body)
    }
}

private struct ToChannelsLast: FloatVisitor {
    let layout: ImageLayout
    let source: Int
    let target: BufferSlot

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let (layout, source, target) = (layout, source, target)
        return { frame, range in
            let x = frame.input(source, as: Element.self)
            let y = frame.memory(target, as: Float.self)
            for row in range { Self.move(x, y, row, layout) }
        }
    }

    /// One row of pixels of one image.
    private static func move<Element: FloatNumber>(
        _ x: UnsafePointer<Element>, _ y: UnsafeMutablePointer<Float>, _ row: Int,
        _ layout: ImageLayout
    ) {
        let (channels, width, pixels) = (layout.channels, layout.width, layout.pixels)
        let (image, line) = row.quotientAndRemainder(dividingBy: layout.rows)
        let from = x + (image * channels * pixels + line * width)
        var to = y + row * (layout.haloBegin + width + layout.haloEnd) * channels
        to.update(repeating: 0, count: layout.haloBegin * channels)
        to += layout.haloBegin * channels
        var first = 0
        while first < width {
            let last = min(first + ImageLayout.tile, width)
            for channel in 0..<channels {
                let plane = from + channel * pixels
                for pixel in first..<last {
                    to[pixel &* channels &+ channel] = Float(plane[pixel].value)
                }
            }
            first = last
        }
        (to + width * channels).update(repeating: 0, count: layout.haloEnd * channels)
    }
}

private struct ToChannelsFirst: FloatVisitor {
    let layout: ImageLayout
    let source: BufferSlot
    let target: Int

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let (layout, source, target) = (layout, source, target)
        let blocks = (layout.channels + ImageLayout.tile - 1) / ImageLayout.tile
        return { frame, range in
            let x = UnsafePointer(frame.memory(source, as: Float.self))
            let y = frame.output(target, as: Element.self)
            for unit in range {
                let (image, block) = unit.quotientAndRemainder(dividingBy: blocks)
                Self.move(
                    x + image * layout.pixels * layout.channels,
                    y + image * layout.pixels * layout.channels, block, layout)
            }
        }
    }

    /// One block of channels of one image.
    private static func move<Element: FloatNumber>(
        _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Element>, _ block: Int,
        _ layout: ImageLayout
    ) {
        let (channels, pixels) = (layout.channels, layout.pixels)
        let begin = block * ImageLayout.tile
        let end = min(begin + ImageLayout.tile, channels)
        var first = 0
        while first < pixels {
            let last = min(first + ImageLayout.tile, pixels)
            for channel in begin..<end {
                let plane = y + channel * pixels
                for pixel in first..<last {
                    let value = x[pixel &* channels &+ channel]
                    plane[pixel] = Element(storing: Element.Value(value))
                }
            }
            first = last
        }
    }
}
