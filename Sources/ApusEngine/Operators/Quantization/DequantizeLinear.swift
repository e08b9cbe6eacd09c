internal import ApusCore

/// `y = (x - zero point) * scale`.
///
/// - Shapes: any; scales as `QuantizationGrid` says. - Types: `x` is an integer of 2 to 32 bits or a
///   float of 4 or 8 bits; `y` is `float`, `float16` or `bfloat16`, by default the scale's type.
///   Computes in `float`.
/// - Source: ONNX DequantizeLinear, opset 25.
struct DequantizeLinear: StepOperator {
    private let axis: Int
    private let blockSize: Int
    private let outputType: DataType?

    init(_ node: NodeReader) throws(EngineError) {
        axis = try node.int("axis", default: 1)
        blockSize = try node.int("block_size", default: 0)
        outputType = try node.dataType("output_dtype")
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        if inputs.has(2), try inputs.dataType(2) != source.dataType {
            throw inputs.fail(
                "x has type \(source.dataType), its zero point \(try inputs.dataType(2))")
        }
        let scaleType = try inputs.dataType(1)
        return [PlannedTensor(outputType ?? scaleType, source.shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let inputs = builder.inputs
        let source = try inputs.tensor(0)
        let grid = try QuantizationGrid(inputs, axis: axis, blockSize: blockSize)
        guard let reader = FloatElements(source.dataType) else {
            throw inputs.fail("elements of type \(source.dataType) cannot be dequantized")
        }
        let scales = try builder.addFloats(ofInput: 1)
        let zeros = inputs.has(2) ? try builder.addFloats(ofInput: 2) : nil
        let type = builder.outputs[0].dataType
        let visitor = DequantizeBody(grid: grid, reader: reader, scales: scales, zeros: zeros)
        guard type != .double, let body = try type.visitFloat(visitor) else {
            throw inputs.fail("dequantizing to \(type) is not supported")
        }
        let count = source.shape.elementCount
        builder.addParallelStep(
            count: count, grain: 1024, scratchByteCount: quantizationBlockCount * 4,
            operationCount: count * 2, body)
    }
}

private struct DequantizeBody: FloatVisitor {
    let grid: QuantizationGrid
    let reader: FloatElements
    let scales: BufferSlot
    let zeros: BufferSlot?

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let (grid, reader) = (grid, reader)
        let (scales, zeros) = (scales, zeros)
        return { frame, range in
            let x = frame.rawInput(0)
            let y = frame.output(0, as: Element.self)
            let block = frame.scratch(as: Float.self)
            let scales = frame.memory(scales, as: Float.self)
            let zeros = zeros.map { frame.memory($0, as: Float.self) }
            grid.forEachRun(range) { run in
                forEachBlock(run) { part in
                    reader.read(x, part.start, part.count, into: block)
                    let scales = scales + part.scale
                    let step = part.scaleStep
                    if let zeros {
                        let zeros = zeros + part.scale
                        for i in 0..<part.count { block[i] -= zeros[i &* step] }
                    }
                    let target = y + part.start
                    for i in 0..<part.count {
                        target[i] = Element(
                            storing: Element.Value(block[i] * scales[i &* step]))
                    }
                }
            }
        }
    }
}

extension DequantizeLinear: ImageOperator {
    /// One scale for all does not care where elements lie.
    func channelsLast(
        for inputs: PlanInputs, isLast: (Int) -> Bool
    ) throws(EngineError) -> ChannelsLastForm? {
        guard isLast(0), try inputs.shape(1).elementCount == 1 else { return nil }
        return ChannelsLastForm(op: self, images: [0])
    }
}

extension DequantizeLinear {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.lines(along: [], doing: "dequantizes")]
    }
}
