internal import ApusCore

/// `factor * input`, broadcast to full rows of floats, as the end of a product adds it.
struct FloatAddend {
    let input: Int
    let factor: Float

    /// The input itself where that will do, else a copy.
    ///
    /// - Returns: where it lies, and whether it has one row for all rows or `rows` of them.
    func slot(
        rows: Int, columns: Int, _ builder: inout StepBuilder
    ) throws(EngineError) -> (BufferSlot, rows: Int) {
        let tensor = try builder.inputs.tensor(input)
        let own = tensor.shape
        let ownColumns = own.last ?? 1
        let ownRows = own.count > 1 ? own[own.count - 2] : 1
        if tensor.dataType == .float && factor == 1 && ownColumns == columns {
            return (builder.inputSlot(input), ownRows)
        }
        let layout = StridedLayout(
            lengths: [ownRows, columns],
            strides: [SIMD4(ownColumns, 0, 0, 0), SIMD4(ownColumns == 1 ? 0 : 1, 0, 0, 0)])
        let target = try builder.temporary(byteCount: layout.count * 4)
        let visitor = AddendBody(input: input, factor: factor, layout: layout, target: target)
        guard let body = try tensor.dataType.visitFloat(visitor) else {
            throw builder.inputs.fail("input \(input) of type \(tensor.dataType) cannot be added")
        }
        builder.addParallelStep(
            count: layout.count, grain: 2048, operationCount: layout.count, body)
        return (target, ownRows)
    }
}

private struct AddendBody: FloatVisitor {
    let input: Int
    let factor: Float
    let layout: StridedLayout
    let target: BufferSlot

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let (input, factor, layout, target) = (input, factor, layout, target)
        let step = layout.innerStrides[0]
        return { frame, range in
            let x = frame.input(input, as: Element.self)
            let y = frame.memory(target, as: Float.self)
            layout.forEachRun(range) { run in
                for i in 0..<run.count {
                    y[run.start + i] = factor * Float(x[run.offsets[0] + i * step].value)
                }
            }
        }
    }
}

extension StepBuilder {
    /// Adds `output 0 = floats`, rounded to a type of half precision.
    mutating func addConversion(
        from source: BufferSlot, _ type: DataType, count: Int
    ) throws(EngineError) {
        guard let body = try type.visitFloat(FromFloatBody(source: source)) else {
            throw inputs.fail("elements of type \(type) are not supported")
        }
        addParallelStep(count: count, grain: 4096, operationCount: count, body)
    }
}

private struct FromFloatBody: FloatVisitor {
    let source: BufferSlot

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let source = source
        return { frame, range in
            let x = frame.memory(source, as: Float.self)
            let y = frame.output(0, as: Element.self)
            for i in range { y[i] = Element(storing: Element.Value(x[i])) }
        }
    }
}

/// Constant elements of any float type, maybe unaligned, as floats.
struct FloatContent: FloatVisitor {
    private let source: UnsafeRawBufferPointer
    private let count: Int

    static func make(
        _ source: UnsafeRawBufferPointer, _ type: DataType, count: Int
    ) throws(EngineError) -> [Float] {
        try type.visitFloat(FloatContent(source: source, count: count)) ?? []
    }

    func visit<Element: FloatNumber>(_ type: Element.Type) -> [Float] {
        let width = MemoryLayout<Element>.stride
        return (0..<min(count, source.count / width)).map {
            let element = source.loadUnaligned(fromByteOffset: $0 &* width, as: Element.self)
            return Float(element.value)
        }
    }
}
