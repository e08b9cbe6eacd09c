internal import ApusCore
internal import CApusKernels

/// A convolution of 8-bit integers, exact in 32 bits: what ConvInteger and QLinearConv share. Images
/// have channels last.
///
/// Zero points are taken off first, so that padding is zero; every pair of `int8` and `uint8` then
/// fits into 16 bits, which the kernels multiply in pairs of channels.
struct IntegerConvolution {
    /// Positions of inputs.
    struct Inputs {
        var image: Int
        var imageZero: Int
        var weights: Int
        /// One element, or one per output channel.
        var weightZero: Int
    }
    let shape: ConvolutionShape
    let inputs: Inputs

    /// - Throws: unless types, shapes and zero points fit.
    init(
        _ window: WindowAttributes, groups: Int, _ positions: Inputs, isChannelsLast: Bool,
        _ inputs: PlanInputs
    ) throws(EngineError) {
        shape = try ConvolutionShape(
            window, groups: groups, image: try inputs.shape(positions.image),
            weights: try inputs.shape(positions.weights), isChannelsLast: isChannelsLast, inputs)
        self.inputs = positions
        let pairs = [
            (positions.image, positions.imageZero), (positions.weights, positions.weightZero),
        ]
        for (index, zero) in pairs {
            let type = try inputs.dataType(index)
            guard type == .int8 || type == .uint8 else {
                throw inputs.fail("input \(index) is \(type), allowed are int8 and uint8")
            }
            guard inputs.has(zero) else { continue }
            let tensor = try inputs.tensor(zero)
            let count = tensor.shape.elementCount
            let isPerChannel =
                index == positions.weights && tensor.shape == [shape.outputChannels]
            guard tensor.dataType == type, count == 1 || isPerChannel else {
                throw inputs.fail(
                    "the zero point of input \(index) is \(tensor.dataType) of shape "
                        + "\(tensor.shape), which does not fit \(type)")
            }
        }
    }

    private var columns: Int { shape.outputChannels / shape.groups }
    private var channels: Int { shape.inputChannels / shape.groups }
    private var isDepthwise: Bool { shape.groups > 1 && channels == 1 && columns == 1 }
    private var pixels: Int { shape.batch * shape.outputSpatial.reduce(1, *) }
    /// 16-bit elements of one pixel's group in the centred image.
    private var paddedChannels: Int { isDepthwise ? 1 : (channels + 1) & ~1 }

    /// Adds the steps.
    ///
    /// - Parameter store: gets the frame, a range of output pixels and the first one's sums, all
    ///   output channels of one pixel after another; nil if the sums are output 0 itself.
    func plan(
        _ builder: inout StepBuilder,
        store: (@Sendable (StepFrame, Range<Int>, UnsafePointer<Int32>) -> Void)?
    ) throws(EngineError) {
        let image = try addCentredImage(&builder)
        let weights = try addWeights(&builder)
        let convolution = shape.floatConvolution
        // The kernels count in pairs of 16 bits, but for the depthwise one.
        let width = shape.groups * (isDepthwise ? 1 : paddedChannels / 2)
        let table = try WindowTable(
            outputs: shape.outputSpatial, taps: shape.kernel,
            strides: shape.inputSpatial.rowMajorStrides.map { $0 * width },
            imageStride: shape.inputSpatial.reduce(width, *),
            builder: builder, position: convolution.position)
        let step = IntegerConvolutionStep(
            kernels: builder.kernels, table: table, image: image, weights: weights,
            target: store == nil ? builder.outputSlot(0) : nil, groups: shape.groups,
            columns: columns, pairs: isDepthwise ? 0 : paddedChannels / 2,
            packedStride: isDepthwise ? 0 : packedCount(builder.kernels))
        let scratch = step.scratchByteCount
        try builder.checkScratch(scratch)
        let work = pixels.multipliedReportingOverflow(
            by: shape.outputChannels * channels * shape.tapCount)
        builder.addParallelStep(
            count: pixels, grain: 8, pieceGrain: IntegerConvolutionStep.block,
            scratchByteCount: scratch,
            operationCount: work.overflow ? Int.max / 4 : work.partialValue
        ) { frame, range in step.run(frame, range, store) }
    }

    private func addCentredImage(_ builder: inout StepBuilder) throws(EngineError) -> BufferSlot {
        let pixels = shape.batch * shape.inputSpatial.reduce(1, *)
        let (count, overflow) = (pixels * shape.groups).multipliedReportingOverflow(
            by: paddedChannels * 2)
        guard !overflow else { throw builder.inputs.fail("the image is too large") }
        let target = try builder.temporary(byteCount: count)
        let visitor = CentredImage(
            input: inputs.image,
            zero: builder.inputs.has(inputs.imageZero) ? inputs.imageZero : nil,
            target: target, groups: isDepthwise ? 1 : shape.groups,
            channels: isDepthwise ? shape.groups : channels,
            padded: isDepthwise ? shape.groups : paddedChannels)
        let type = try builder.inputs.dataType(inputs.image)
        guard let body = try type.visitInteger(visitor) else {
            throw builder.inputs.fail("elements of type \(type) are not supported")
        }
        builder.addParallelStep(count: pixels, grain: 16, operationCount: count, body)
        return target
    }

    private func packedCount(_ kernels: Kernels) -> Int {
        kernels.gemm_packed_count_s16?(shape.tapCount * paddedChannels, columns) ?? 0
    }

    private func addWeights(_ builder: inout StepBuilder) throws(EngineError) -> BufferSlot {
        let kernels = builder.kernels
        let type = try builder.inputs.dataType(inputs.weights)
        let zero = builder.inputs.has(inputs.weightZero) ? inputs.weightZero : nil
        let packing = IntegerWeights(
            groups: shape.groups, columns: columns, channels: channels, padded: paddedChannels,
            taps: shape.tapCount, isDepthwise: isDepthwise, packedStride: packedCount(kernels),
            zeroStep: try zero.map { index throws(EngineError) in
                try builder.inputs.shape(index).elementCount > 1 ? 1 : 0
            } ?? 0)
        let byteCount =
            isDepthwise
            ? shape.groups * shape.tapCount * 2 : shape.groups * packing.packedStride * 4
        let zeroConstant = zero.flatMap { builder.nodeInputs[$0]?.modelConstant?.content }
        if zero == nil || zeroConstant != nil {
            let zeroName = zero.flatMap { builder.nodeInputs[$0]?.name } ?? ""
            let constant = try builder.packedConstant(
                input: inputs.weights, layout: "integer convolution:\(packing):\(zeroName)",
                byteCount: byteCount
            ) { source, target in
                guard let source = source.baseAddress, let target = target.baseAddress else {
                    return
                }
                let transient = try MemoryReservation(byteCount: packing.matrixByteCount)
                defer { withExtendedLifetime(transient) {} }
                let pack = { (zeros: UnsafeRawPointer?) throws(EngineError) in
                    _ = try type.visitInteger(
                        PackedWeights(
                            packing: packing, source: source, zeros: zeros, target: target,
                            kernels: kernels))
                }
                guard let bytes = zeroConstant?.bytes else { return try pack(nil) }
                try bytes.withUnsafeBytes { try pack($0.baseAddress) }
            }
            if let constant { return constant }
        }
        let target = try builder.temporary(byteCount: byteCount)
        try builder.charge(byteCount: packing.matrixByteCount)
        let weights = inputs.weights
        builder.addStep(
            isSerial: true, operationCount: byteCount
        ) { frame throws(EngineError) in
            _ = try type.visitInteger(
                PackedWeights(
                    packing: packing, source: frame.rawInput(weights),
                    zeros: zero.map { frame.rawInput($0) },
                    target: UnsafeMutableRawPointer(frame.memory(target, as: UInt8.self)),
                    kernels: kernels))
        }
        return target
    }
}

/// Pixels as 16-bit numbers without their zero point, each group's channels filled up to pairs.
private struct CentredImage: IntegerVisitor {
    let input: Int
    let zero: Int?
    let target: BufferSlot
    let groups: Int
    let channels: Int
    let padded: Int

    func visit<Element: IntegerNumber>(_ type: Element.Type) -> StepBody {
        let (input, zero, target) = (input, zero, target)
        let (groups, channels, padded) = (groups, channels, padded)
        return { frame, range in
            let zero = zero.map { Int16(truncatingIfNeeded: frame.input($0, as: type)[0]) } ?? 0
            var x = frame.input(input, as: type) + range.lowerBound * groups * channels
            var y = frame.memory(target, as: Int16.self) + range.lowerBound * groups * padded
            for _ in 0..<range.count * groups {
                for i in 0..<channels { y[i] = Int16(truncatingIfNeeded: x[i]) &- zero }
                for i in channels..<padded { y[i] = 0 }
                x += channels
                y += padded
            }
        }
    }
}

/// How weights become what the kernels read; its description names the layout.
private struct IntegerWeights: Sendable, CustomStringConvertible {
    let groups: Int
    let columns: Int
    let channels: Int
    let padded: Int
    let taps: Int
    let isDepthwise: Bool
    /// Pairs from one group to the next.
    let packedStride: Int
    /// 1 if every output channel has a zero point of its own.
    let zeroStep: Int

    var description: String { "\(groups)x\(columns)x\(channels)x\(taps):\(isDepthwise)" }

    /// Of the matrix that is made on the way.
    var matrixByteCount: Int { taps * padded * (isDepthwise ? groups : columns) * 2 }
}

private struct PackedWeights: IntegerVisitor {
    let packing: IntegerWeights
    let source: UnsafeRawPointer
    let zeros: UnsafeRawPointer?
    let target: UnsafeMutableRawPointer
    let kernels: Kernels

    func visit<Element: IntegerNumber>(_ type: Element.Type) {
        let (padded, columns, taps) = (packing.padded, packing.columns, packing.taps)
        let rows = taps * padded
        // Depthwise weights of all groups are one matrix [taps][groups].
        let matrixColumns = packing.isDepthwise ? packing.groups : columns
        let matrix = UnsafeMutablePointer<Int16>.allocate(capacity: max(rows * matrixColumns, 1))
        matrix.initialize(repeating: 0, count: max(rows * matrixColumns, 1))
        defer { matrix.deallocate() }
        let w = source.assumingMemoryBound(to: type)
        let zeros = zeros?.assumingMemoryBound(to: type)
        for group in 0..<packing.groups {
            for column in 0..<columns {
                let output = group * columns + column
                let zero =
                    zeros.map { Int16(truncatingIfNeeded: $0[output * packing.zeroStep]) } ?? 0
                let place = packing.isDepthwise ? output : column
                for channel in 0..<packing.channels {
                    let from = w + (output * packing.channels + channel) * taps
                    for tap in 0..<taps {
                        matrix[(tap * padded + channel) * matrixColumns + place] =
                            Int16(truncatingIfNeeded: from[tap]) &- zero
                    }
                }
            }
            guard !packing.isDepthwise else { continue }
            kernels.gemm_pack_b_s16?(
                matrix, Int64(columns), 1, rows, columns,
                target.assumingMemoryBound(to: Int32.self) + group * packing.packedStride)
        }
        if packing.isDepthwise {
            target.copyMemory(from: matrix, byteCount: rows * matrixColumns * 2)
        }
    }
}

/// The run-time part: some pixels at a time, all their output channels.
private struct IntegerConvolutionStep: Sendable {
    let kernels: Kernels
    let table: WindowTable
    let image: BufferSlot
    let weights: BufferSlot
    /// Where sums go if they are the result.
    let target: BufferSlot?
    let groups: Int
    let columns: Int
    /// Of one group and tap; 0 for a depthwise convolution.
    let pairs: Int
    let packedStride: Int

    static let block = 48
    private var width: Int { groups * columns }
    /// Pairs of zeros that taps outside the image read.
    private var lineCount: Int { (pairs + 15) & ~15 }
    private var sumCount: Int { target == nil ? Self.block * width : 0 }

    var scratchByteCount: Int {
        let (pointers, overflow) = (Self.block * 8).multipliedReportingOverflow(
            by: pairs == 0 ? 1 : table.tapCount)
        return overflow ? Int.max : (lineCount + ((sumCount + 15) & ~15)) * 4 &+ pointers
    }

    func run(
        _ frame: StepFrame, _ range: Range<Int>,
        _ store: (@Sendable (StepFrame, Range<Int>, UnsafePointer<Int32>) -> Void)?
    ) {
        let scratch = frame.scratch(as: Int32.self)
        scratch.update(repeating: 0, count: lineCount)
        var first = range.lowerBound
        while first < range.upperBound {
            let last = min(first + Self.block, range.upperBound)
            let sums =
                target.map { frame.memory($0, as: Int32.self) + first * width }
                ?? scratch + lineCount
            multiply(frame, first..<last, sums)
            store?(frame, first..<last, UnsafePointer(sums))
            first = last
        }
    }

    private func multiply(
        _ frame: StepFrame, _ pixels: Range<Int>, _ sums: UnsafeMutablePointer<Int32>
    ) {
        withUnsafePointer(to: table.window) { window in
            if pairs == 0 {
                kernels.depthwise_s16?(
                    window, frame.memory(image, as: Int16.self), groups,
                    frame.memory(weights, as: Int16.self), pixels.lowerBound, pixels.upperBound,
                    sums)
                return
            }
            // Pairs are as wide as floats, and pointers to them are all that is computed.
            let line = UnsafeRawPointer(frame.scratch(as: Int32.self))
            let memory = UnsafeMutableRawPointer(
                frame.scratch(as: Int32.self) + (lineCount + ((sumCount + 15) & ~15)))
            for group in 0..<groups {
                let start = UnsafeRawPointer(frame.memory(image, as: Int32.self) + group * pairs)
                kernels.window_rows_f32?(
                    window, start.assumingMemoryBound(to: Float.self),
                    line.assumingMemoryBound(to: Float.self), pixels.lowerBound,
                    pixels.upperBound,
                    memory.assumingMemoryBound(to: UnsafePointer<Float>?.self))
                kernels.gemm_indirect_s16?(
                    pixels.count, columns, pairs, table.tapCount,
                    memory.assumingMemoryBound(to: UnsafePointer<Int32>?.self),
                    frame.memory(weights, as: Int32.self) + group * packedStride,
                    sums + group * columns, Int64(width))
            }
        }
    }
}
