internal import ApusCore
internal import CApusKernels

/// A convolution straight from its definition, channels first: for `double` and integers. Taps run in
/// row-major order inside each channel.
struct DirectConvolution: Sendable {
    let batch: Int
    let groups: Int
    /// Per group.
    let inputChannels: Int
    /// Per group.
    let outputChannels: Int
    let inputPixels: Int
    let outputPixels: Int
    let table: WindowTable
    /// As in `ConvolutionWeights`.
    let groupStride: Int
    let columnStride: Int
    let channelStride: Int

    /// - Parameter weights: strides only.
    init(
        _ shape: FloatConvolution, builder: StepBuilder
    ) throws(EngineError) {
        batch = shape.batch
        groups = shape.groups
        inputChannels = shape.inputChannels
        outputChannels = shape.outputChannels
        inputPixels = shape.inputSpatial.reduce(1, *)
        outputPixels = shape.outputPixels
        groupStride = shape.weights.groupStride
        columnStride = shape.weights.columnStride
        channelStride = shape.weights.channelStride
        table = try WindowTable(
            outputs: shape.outputSpatial, taps: shape.kernel,
            strides: shape.inputSpatial.rowMajorStrides, imageStride: inputPixels,
            builder: builder, position: shape.position)
    }

    /// Output pixels of all images: what threads share.
    var unitCount: Int { batch * outputPixels }
    var scratchByteCount: Int { table.tapCount * 16 }
    var operationCount: Int {
        let (product, overflow) = (unitCount * groups * outputChannels)
            .multipliedReportingOverflow(by: inputChannels * table.tapCount)
        return overflow ? Int.max / 4 : product
    }

    /// The taps of a pixel that lie in the image: input offsets and tap numbers, in pairs.
    private func taps(
        of pixel: Int, _ scratch: UnsafeMutablePointer<SIMD2<Int>>
    ) -> UnsafeBufferPointer<SIMD2<Int>> {
        let rank = table.outputs.count
        var rest = pixel
        var position = SIMD8<Int>.zero
        for dimension in (0..<rank).reversed() {
            position[dimension] = rest % table.outputs[dimension]
            rest /= table.outputs[dimension]
        }
        var count = 0
        for tap in 0..<table.tapCount {
            var offset = 0
            var rest = tap
            for dimension in (0..<rank).reversed() {
                let length = table.taps[dimension]
                let at = position[dimension] * length + rest % length
                rest /= length
                offset += Int(table.offsets[dimension][at])
            }
            guard offset >= 0 else { continue }
            scratch[count] = SIMD2(offset, tap)
            count += 1
        }
        return UnsafeBufferPointer(start: scratch, count: count)
    }

    /// Computes output pixels `range`; `product` multiplies an element of the image by one of the
    /// weights for an output channel, `store` takes image, output channel, pixel and sum.
    @inline(__always)
    func run<Value: Arithmetic>(
        _ range: Range<Int>, scratch: UnsafeMutablePointer<SIMD2<Int>>,
        product: (_ x: Int, _ w: Int, _ channel: Int) -> Value,
        store: (_ output: Int, _ channel: Int, _ sum: Value) -> Void
    ) {
        for unit in range {
            let (image, pixel) = unit.quotientAndRemainder(dividingBy: outputPixels)
            let taps = taps(of: pixel, scratch)
            for group in 0..<groups {
                for column in 0..<outputChannels {
                    let channel = group * outputChannels + column
                    var sum = Value.zero
                    for input in 0..<inputChannels {
                        let plane =
                            ((image &* groups &+ group) &* inputChannels &+ input) &* inputPixels
                        let weights =
                            group &* groupStride &+ column &* columnStride &+ input
                            &* channelStride
                        for tap in taps {
                            sum = .sum(
                                sum, product(plane &+ tap[0], weights &+ tap[1], channel))
                        }
                    }
                    let total = groups * outputChannels
                    store((image * total + channel) * outputPixels + pixel, channel, sum)
                }
            }
        }
    }
}

extension StepBuilder {
    /// Adds a convolution of inputs 0 and 1 in `double`.
    mutating func addDirectConvolution(
        _ shape: ConvolutionShape, bias: Int?
    ) throws(EngineError) {
        try addDirectConvolution(shape.floatConvolution, bias: bias)
    }

    mutating func addDirectConvolution(
        _ shape: FloatConvolution, bias: Int?
    ) throws(EngineError) {
        let work = try DirectConvolution(shape, builder: self)
        try checkScratch(work.scratchByteCount)
        addParallelStep(
            count: work.unitCount, scratchByteCount: work.scratchByteCount,
            operationCount: work.operationCount
        ) { frame, range in
            let x = frame.input(0, as: Double.self)
            let w = frame.input(1, as: Double.self)
            let y = frame.output(0, as: Double.self)
            let b = bias.map { frame.input($0, as: Double.self) }
            work.run(range, scratch: frame.scratch()) { i, j, _ in
                x[i] * w[j]
            } store: { output, channel, sum in
                y[output] = sum + (b.map { $0[channel] } ?? 0)
            }
        }
    }

    /// Scratch memory counts against the model's memory, too.
    func checkScratch(_ byteCount: Int) throws(EngineError) {
        guard byteCount <= memoryByteCountMax else {
            throw .limitExceeded(
                "scratch memory of \(byteCount) bytes is over the model's memory limit of "
                    + "\(memoryByteCountMax) bytes")
        }
    }
}
