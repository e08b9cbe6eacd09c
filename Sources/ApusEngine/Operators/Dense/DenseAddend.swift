internal import ApusCore

/// `factor * input`, broadcast to full rows, as the end of a product adds it.
struct DenseAddend<Value: DenseValue> {
    let input: Int
    let factor: Value

    /// The input itself where that will do, else a copy.
    ///
    /// - Returns: where it lies, and whether it has one row for all rows or one for each.
    func slot(
        columns: Int, _ builder: inout StepBuilder
    ) throws(EngineError) -> (BufferSlot, rows: Int) {
        let tensor = try builder.inputs.tensor(input)
        let own = tensor.shape
        let ownColumns = own.last ?? 1
        let ownRows = own.count > 1 ? own[own.count - 2] : 1
        let isOwnType = tensor.dataType == .float || tensor.dataType == .double
        if isOwnType && factor == 1 && ownColumns == columns {
            return (builder.inputSlot(input), ownRows)
        }
        let layout = StridedLayout(
            lengths: [ownRows, columns],
            strides: [SIMD4(ownColumns, 0, 0, 0), SIMD4(ownColumns == 1 ? 0 : 1, 0, 0, 0)])
        let target = try builder.temporary(
            byteCount: layout.count * MemoryLayout<Value>.stride)
        let visitor = AddendBody<Value>(
            input: input, factor: factor, layout: layout, target: target)
        guard let body = try tensor.dataType.visitFloat(visitor) else {
            throw builder.inputs.fail("input \(input) of type \(tensor.dataType) cannot be added")
        }
        builder.addParallelStep(
            count: layout.count, grain: 2048, operationCount: layout.count, body)
        return (target, ownRows)
    }
}

private struct AddendBody<Value: DenseValue>: FloatVisitor {
    let input: Int
    let factor: Value
    let layout: StridedLayout
    let target: BufferSlot

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let (input, factor, layout, target) = (input, factor, layout, target)
        let step = layout.innerStrides[0]
        return { frame, range in
            let x = frame.input(input, as: Element.self)
            let y = frame.memory(target, as: Value.self)
            layout.forEachRun(range) { run in
                for i in 0..<run.count {
                    y[run.start + i] = factor * Value(x[run.offsets[0] + i * step].value)
                }
            }
        }
    }
}
