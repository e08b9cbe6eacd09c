internal import ApusCore

/// An image put together from its blocks: every pixel is the sum of the elements that fall on it.
///
/// - Shapes: `input [N, C * product(block_shape), L]`, one column per block position; the result is
///   `[N, C, image_shape]`. - Types: numbers; half precision accumulates in `float`.
/// - Source: ONNX Col2Im, opset 18.
struct Col2Im: StepOperator {
    private let window: WindowAttributes

    init(_ node: NodeReader) throws(EngineError) { window = try WindowAttributes(node) }

    var contentInputs: [Int] { [1, 2] }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        let (channels, axes) = try axes(inputs)
        return [PlannedTensor(source.dataType, [source.shape[0], channels] + axes.map(\.input))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.tensor(0)
        let output = builder.outputs[0]
        guard output.shape.elementCount > 0 else { return }
        guard source.shape.elementCount > 0 else {
            throw builder.inputs.fail("an input of shape \(source.shape) has no blocks")
        }
        let (_, axes) = try axes(builder.inputs)
        for axis in axes {
            try builder.charge(byteCount: (2 * axis.input + 1 + axis.kernel * axis.output) * 8)
        }
        let visitor = Col2ImBody(axes: axes, columnCount: source.shape[2])
        guard let body = try source.dataType.visitNumber(visitor) else {
            throw builder.inputs.fail("elements of type \(source.dataType) are not supported")
        }
        builder.addParallelStep(
            count: output.shape[0] * output.shape[1],
            operationCount: source.shape.elementCount &+ output.shape.elementCount &* 4, body)
    }

    /// The number of channels, and the window of blocks over each dimension of the image.
    private func axes(_ inputs: PlanInputs) throws(EngineError) -> (Int, [WindowAxis]) {
        let source = try inputs.shape(0)
        guard let image = try inputs.integers(1), let block = try inputs.integers(2),
            source.count == 3, image.count == block.count,
            (image + block).allSatisfy({ $0 >= 0 && $0 <= WindowAttributes.sizeMax }),
            let blockCount = block.checkedElementCount, blockCount > 0,
            source[1] % blockCount == 0
        else {
            throw inputs.fail(
                "an input of shape \(source) does not fit the image's and the block's shape")
        }
        let axes = try window.axes(spatial: image, kernel: block, inputs)
        guard axes.map(\.output).checkedElementCount == source[2] else {
            throw inputs.fail(
                "an input of shape \(source) has \(source[2]) blocks, expected "
                    + "\(axes.map(\.output))")
        }
        return (source[1] / blockCount, axes)
    }
}

private struct Col2ImBody: NumberVisitor {
    /// For each pixel along a dimension, where its elements lie: the contributions of that dimension
    /// to the offset in a plane's columns.
    private struct Axis {
        let starts: [Int]
        let offsets: [Int]
    }

    private let axes: [Axis]
    private let lengths: [Int]
    private let pixels: Int
    private let planeStride: Int

    init(axes: [WindowAxis], columnCount: Int) {
        let taps = axes.map(\.kernel).rowMajorStrides
        let blocks = axes.map(\.output).rowMajorStrides
        self.axes = axes.enumerated().map { dimension, axis in
            let (tapStep, blockStep) = (taps[dimension] * columnCount, blocks[dimension])
            return Self.axis(axis) { tap, block in tap * tapStep + block * blockStep }
        }
        lengths = axes.map(\.input)
        pixels = lengths.elementCount
        planeStride = axes.reduce(columnCount) { $0 * $1.kernel }
    }

    /// Collects by pixel what lies on it, taps in ascending order.
    private static func axis(_ axis: WindowAxis, _ offset: (Int, Int) -> Int) -> Axis {
        func forEachPixel(_ body: (_ pixel: Int, _ tap: Int, _ block: Int) -> Void) {
            for tap in 0..<axis.kernel {
                for block in 0..<axis.output {
                    let pixel = axis.position(of: block, tap: tap)
                    if pixel >= 0 && pixel < axis.input { body(pixel, tap, block) }
                }
            }
        }
        var starts = [Int](repeating: 0, count: axis.input + 1)
        forEachPixel { pixel, _, _ in starts[pixel + 1] += 1 }
        for pixel in 0..<axis.input { starts[pixel + 1] += starts[pixel] }
        var next = starts
        var offsets = [Int](repeating: 0, count: starts[axis.input])
        forEachPixel { pixel, tap, block in
            offsets[next[pixel]] = offset(tap, block)
            next[pixel] += 1
        }
        return Axis(starts: starts, offsets: offsets)
    }

    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        let work = self
        return { frame, range in
            let x = frame.input(0, as: Element.self)
            let y = frame.output(0, as: Element.self)
            for plane in range {
                for pixel in 0..<work.pixels {
                    var sum = Element.Value.zero
                    work.add(x + plane * work.planeStride, pixel, work.pixels, 0, &sum)
                    y[plane * work.pixels + pixel] = Element(storing: sum)
                }
            }
        }
    }

    /// Adds the elements of a pixel, taps in row-major order. `rest` and `count` are the pixel's number
    /// in, and the size of, what the dimensions from `dimension` on span.
    private func add<Element: Number>(
        _ x: UnsafePointer<Element>, _ rest: Int, _ count: Int, _ dimension: Int,
        _ sum: inout Element.Value
    ) {
        let inner = count / lengths[dimension]
        let (position, next) = rest.quotientAndRemainder(dividingBy: inner)
        let axis = axes[dimension]
        for entry in axis.starts[position]..<axis.starts[position + 1] {
            if dimension == lengths.count - 1 {
                sum = .sum(sum, x[axis.offsets[entry]].value)
            } else {
                add(x + axis.offsets[entry], next, inner, dimension + 1, &sum)
            }
        }
    }
}

extension Col2Im {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.items()]
    }
}
