internal import ApusCore

/// `y = saturate(round(x / scale) + zero point)`, rounded half to even.
///
/// - Shapes: any; scales as `QuantizationGrid` says. - Types: `x` is `float`, `float16`, `bfloat16`
///   or `int32`; `y` is an integer of 2 to 16 bits or a float of 4 or 8 bits. The quotient is
///   computed in `float` and rounded to `precision`, by default the scale's type.
/// - Source: ONNX QuantizeLinear, opset 25.
struct QuantizeLinear: StepOperator {
    private let axis: Int
    private let blockSize: Int
    private let saturates: Bool
    private let outputType: DataType?
    private let precision: DataType?

    init(_ node: NodeReader) throws(EngineError) {
        axis = try node.int("axis", default: 1)
        blockSize = try node.int("block_size", default: 0)
        saturates = try node.flag("saturate", default: true)
        outputType = try node.dataType("output_dtype")
        precision = try node.dataType("precision")
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let zeroType = inputs.has(2) ? try inputs.dataType(2) : nil
        if let zeroType, let outputType, zeroType != outputType {
            throw inputs.fail("output_dtype is \(outputType), the zero point's type \(zeroType)")
        }
        let type = zeroType ?? outputType ?? .uint8
        return [PlannedTensor(type, try inputs.shape(0))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let inputs = builder.inputs
        let source = try inputs.tensor(0)
        let scaleType = try inputs.dataType(1)
        let type = builder.outputs[0].dataType
        let grid = try QuantizationGrid(inputs, axis: axis, blockSize: blockSize)
        guard source.dataType.isQuantizable, let reader = FloatElements(source.dataType) else {
            throw inputs.fail("elements of type \(source.dataType) cannot be quantized")
        }
        guard let writer = QuantizedWriter(type, saturates: saturates) else {
            throw inputs.fail("quantizing to \(type) is not supported")
        }
        let rounding = precision ?? scaleType
        let scales = try builder.addFloats(ofInput: 1)
        let zeros = inputs.has(2) ? try builder.addFloats(ofInput: 2) : nil
        let count = source.shape.elementCount
        builder.addParallelStep(
            count: count, grain: 1024, scratchByteCount: quantizationBlockCount * 4,
            operationCount: count * 4
        ) { frame, range in
            let x = frame.rawInput(0)
            let y = frame.rawOutput(0)
            let block = frame.scratch(as: Float.self)
            let scales = frame.memory(scales, as: Float.self)
            let zeros = zeros.map { frame.memory($0, as: Float.self) }
            grid.forEachRun(range) { run in
                forEachBlock(run) { part in
                    reader.read(x, part.start, part.count, into: block)
                    divide(block, part.count, scales + part.scale, part.scaleStep, rounding)
                    let zeros = zeros.map { $0 + part.scale }
                    writer.write(block, part.count, zeros, part.scaleStep, y, part.start)
                }
            }
        }
    }

    /// `x / scale`, rounded to the precision of `type`.
    @inline(__always)
    private func divide(
        _ x: UnsafeMutablePointer<Float>, _ count: Int, _ scales: UnsafePointer<Float>,
        _ step: Int, _ type: DataType
    ) {
        for i in 0..<count { x[i] /= scales[i &* step] }
        switch type {
        case .float16: for i in 0..<count { x[i] = Float(Float16(x[i])) }
        case .bfloat16: for i in 0..<count { x[i] = BFloat16(storing: x[i]).value }
        default: break
        }
    }
}

/// Elements that are converted at a time; they need 4 bytes of scratch each.
let quantizationBlockCount = 512

/// Cuts a run into blocks that fit the scratch memory.
@inline(__always)
func forEachBlock(_ run: QuantizationGrid.Run, _ body: (QuantizationGrid.Run) -> Void) {
    var done = 0
    while done < run.count {
        var part = run
        part.start += done
        part.count = min(quantizationBlockCount, run.count - done)
        part.scale += done * run.scaleStep
        body(part)
        done += part.count
    }
}

extension DataType {
    fileprivate var isQuantizable: Bool {
        switch self {
        case .float, .float16, .bfloat16, .int32: true
        default: false
        }
    }
}

extension StepBuilder {
    /// Adds a step that converts a small input (scales, zero points) to `Float`.
    mutating func addFloats(ofInput index: Int) throws(EngineError) -> BufferSlot {
        let tensor = try inputs.tensor(index)
        guard let reader = FloatElements(tensor.dataType) else {
            throw inputs.fail("input \(index) has type \(tensor.dataType), which does not scale")
        }
        let count = tensor.shape.elementCount
        let (byteCount, overflow) = count.multipliedReportingOverflow(by: 4)
        guard !overflow else { throw inputs.fail("input \(index) is too large") }
        let slot = try temporary(byteCount: byteCount)
        addParallelStep(count: count, grain: 2048, operationCount: count) { frame, range in
            reader.read(
                frame.rawInput(index), range.lowerBound, range.count,
                into: frame.memory(slot, as: Float.self) + range.lowerBound)
        }
        return slot
    }
}

extension QuantizeLinear: ImageOperator {
    /// One scale for all does not care where elements lie.
    func channelsLast(
        for inputs: PlanInputs, isLast: (Int) -> Bool
    ) throws(EngineError) -> ChannelsLastForm? {
        guard isLast(0), try inputs.shape(1).elementCount == 1 else { return nil }
        return ChannelsLastForm(op: self, images: [0])
    }
}

extension QuantizeLinear {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.lines(along: [], doing: "quantizes")]
    }
}
