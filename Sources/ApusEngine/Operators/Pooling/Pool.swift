internal import ApusCore
internal import CApusKernels

/// How the elements of a window become one element of an image with channels first.
protocol Pooling: Sendable {
    init(_ node: NodeReader) throws(EngineError)
    /// The kernel for `float` with channels last, if it has the function.
    var kernel: apus_pool? { get }
    /// Averages that count padding divide by taps in image and padding.
    var countsPadding: Bool { get }
    static var takesIntegers: Bool { get }
    /// The attributes of a pool over windows; global pools have none.
    func initial<Value: Arithmetic>() -> Value
    func combine<Value: Arithmetic>(_ total: Value, _ x: Value) -> Value
    /// - Parameter count: taps, with those in the padding if `countsPadding`.
    func finish<Value: Arithmetic>(_ total: Value, count: Int) -> Value
}

extension Pooling {
    var countsPadding: Bool { false }
    static var takesIntegers: Bool { false }
}

/// Pools with one output: ONNX AveragePool, LpPool, GlobalAveragePool, GlobalMaxPool, GlobalLpPool,
/// and MaxPool where nobody wants its indices.
///
/// - Shapes: `X [N, C, spatial]`, `Y [N, C, spatial']`, both with channels last if `isChannelsLast`.
/// - Types: floats (half precision accumulates in `float`), and for MaxPool `int8` and `uint8`.
struct WindowPool: Sendable {
    let axes: [WindowAxis]
    let batch: Int
    let channels: Int
    let isChannelsLast: Bool

    var outputPixels: Int { axes.reduce(1) { $0 * $1.output } }
    var inputPixels: Int { axes.reduce(1) { $0 * $1.input } }

    init(
        image: Shape, window: WindowAttributes?, isChannelsLast: Bool, _ inputs: PlanInputs
    ) throws(EngineError) {
        guard image.count >= 3 else {
            throw inputs.fail("an image has 3 dimensions or more, not the shape \(image)")
        }
        self.isChannelsLast = isChannelsLast
        batch = image[0]
        channels = isChannelsLast ? image[image.count - 1] : image[1]
        let spatial = Array(isChannelsLast ? image[1..<image.count - 1] : image[2...])
        if let window {
            let kernel = try window.kernel(weights: nil, rank: spatial.count, inputs)
            axes = try window.axes(spatial: spatial, kernel: kernel, inputs)
        } else {
            guard spatial.count <= WindowAttributes.rankMax else {
                throw inputs.fail("an image of shape \(image) has too many dimensions")
            }
            axes = spatial.map {
                WindowAxis(
                    input: $0, output: 1, kernel: $0, stride: 1, dilation: 1, padBegin: 0,
                    padEnd: 0)
            }
        }
    }

    var outputShape: Shape {
        let spatial = axes.map(\.output)
        return isChannelsLast
            ? [batch] + spatial + [channels] : [batch, channels] + spatial
    }

    /// Adds the steps for output 0.
    func plan<Operation: Pooling>(
        _ operation: Operation, _ builder: inout StepBuilder
    ) throws(EngineError) {
        guard builder.outputs[0].shape.elementCount > 0 else { return }
        let type = builder.outputs[0].dataType
        if isChannelsLast {
            guard let kernel = operation.kernel, type == .float else {
                throw builder.inputs.fail("channels last is not supported for this pool")
            }
            return try addChannelsLast(kernel, operation.countsPadding, &builder)
        }
        let visitor = PlanePool(pool: self, operation: operation)
        let body =
            Operation.takesIntegers
            ? try type.visitNumber(visitor) : try type.visitFloat(visitor)
        guard let body else {
            throw builder.inputs.fail("elements of type \(type) are not supported")
        }
        let count = builder.outputs[0].shape.elementCount
        let taps = axes.reduce(1) { $0 &* min($1.kernel, $1.input) }
        builder.addParallelStep(
            count: batch * channels * axes[0].output, operationCount: count &* max(taps, 1), body)
    }

    private func addChannelsLast(
        _ kernel: apus_pool, _ countsPadding: Bool, _ builder: inout StepBuilder
    ) throws(EngineError) {
        let (source, target) = (builder.inputSlot(0), builder.outputSlot(0))
        let spatial = axes.map(\.input)
        let channels = channels
        let table = try PoolTable(
            axes: axes, strides: spatial.rowMajorStrides.map { $0 * channels },
            imageStride: spatial.reduce(channels, *), countsPadding: countsPadding,
            builder: builder)
        let (kernels, pixels) = (builder.kernels, batch * outputPixels)
        let work = axes.reduce(pixels * channels) { $0 &* min($1.kernel, $1.input) }
        builder.addStep(operationCount: work) { frame in
            // Few pixels, as of global pools, are shared by channels.
            let isNarrow = pixels < 8 * frame.threadCount
            let rows = isNarrow ? 0..<pixels : frame.share(of: pixels)
            let columns = isNarrow ? frame.share(of: channels, grain: 64) : 0..<channels
            guard !columns.isEmpty else { return }
            let length = StepPiece.length(grain: 1, operationsPerItem: work / max(pixels, 1))
            frame.forEachPiece(of: rows, length: length) { rows in
                withUnsafePointer(to: table.window) {
                    kernels.pool_f32?(
                        kernel, $0, frame.memory(source), channels, columns.lowerBound,
                        columns.upperBound, rows.lowerBound, rows.upperBound,
                        frame.memory(target))
                }
            }
        }
    }
}

/// The work on planes, channels first, for all types.
private struct PlanePool<Operation: Pooling>: NumberVisitor, FloatVisitor {
    let pool: WindowPool
    let operation: Operation

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody { body(type) }
    func visit<Element: Number>(_ type: Element.Type) -> StepBody { body(type) }

    /// Units are rows of output pixels along the first spatial dimension.
    private func body<Element: Number>(_ type: Element.Type) -> StepBody {
        let (pool, operation) = (pool, operation)
        let rows = pool.axes[0].output
        let rowPixels = pool.outputPixels / max(rows, 1)
        return { frame, range in
            let x = frame.input(0, as: Element.self)
            let y = frame.output(0, as: Element.self)
            var window = WindowCursor(axes: pool.axes)
            for unit in range {
                let (plane, row) = unit.quotientAndRemainder(dividingBy: rows)
                let source = x + plane * pool.inputPixels
                let target = y + unit * rowPixels
                for pixel in 0..<rowPixels {
                    window.move(to: row * rowPixels + pixel)
                    var total: Element.Value = operation.initial()
                    window.forEachTap { total = operation.combine(total, source[$0].value) }
                    let count =
                        operation.countsPadding ? window.paddedTapCount : window.tapCount
                    target[pixel] = Element(storing: operation.finish(total, count: count))
                }
            }
        }
    }
}

/// The taps inside the image of one window after another, by their offset in a plane.
struct WindowCursor {
    private let axes: [WindowAxis]
    private let strides: [Int]
    private var ranges: [Range<Int>]
    private var position: [Int]
    private var tap: [Int]

    init(axes: [WindowAxis]) {
        self.axes = axes
        strides = axes.map(\.input).rowMajorStrides
        position = axes.map { _ in 0 }
        tap = position
        ranges = axes.map { _ in 0..<0 }
    }

    /// - Parameter pixel: number of the output position, row-major.
    mutating func move(to pixel: Int) {
        var rest = pixel
        for dimension in axes.indices.reversed() {
            position[dimension] = rest % axes[dimension].output
            rest /= axes[dimension].output
            ranges[dimension] = axes[dimension].taps(of: position[dimension])
        }
    }

    var tapCount: Int { ranges.reduce(1) { $0 * $1.count } }
    var paddedTapCount: Int {
        axes.indices.reduce(1) { $0 &* axes[$1].paddedTapCount(of: position[$1]) }
    }

    @inline(__always)
    mutating func forEachTap(_ body: (Int) -> Void) {
        guard tapCount > 0 else { return }
        let last = axes.count - 1
        let step = ranges[last].count > 1 ? axes[last].dilation * strides[last] : 0
        for dimension in axes.indices { tap[dimension] = ranges[dimension].lowerBound }
        while true {
            var offset = 0
            for dimension in axes.indices {
                offset +=
                    axes[dimension].position(of: position[dimension], tap: tap[dimension])
                    * strides[dimension]
            }
            for _ in ranges[last] {
                body(offset)
                offset += step
            }
            var dimension = last - 1
            while dimension >= 0 {
                tap[dimension] += 1
                if tap[dimension] < ranges[dimension].upperBound { break }
                tap[dimension] = ranges[dimension].lowerBound
                dimension -= 1
            }
            if dimension < 0 { return }
        }
    }
}
