internal import ApusCore
internal import CApusKernels

/// The largest element of each window, and where it lies.
///
/// - Shapes: `X [N, C, spatial]`, `Y` and `Indices [N, C, spatial']`. An index counts through the whole
///   of `X` flattened, planes in column-major order where `storage_order` is 1.
/// - Types: floats, `int8`, `uint8`; indices are `int64`. NaN counts as the largest.
/// - Source: ONNX MaxPool, opset 22.
struct MaxPool: StepOperator {
    private let window: WindowAttributes
    private var isChannelsLast = false
    private let isColumnMajor: Bool

    init(_ node: NodeReader) throws(EngineError) {
        window = try WindowAttributes(node)
        isColumnMajor = try node.flag("storage_order")
    }

    var mayLeaveOutFirstOutput: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let shape = try pool(inputs).outputShape
        let type = try inputs.dataType(0)
        return [PlannedTensor(type, shape), PlannedTensor(.int64, shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let pool = try pool(builder.inputs)
        guard builder.wants(output: 1) else {
            return try pool.plan(MaxPooling(), &builder)
        }
        guard builder.outputs[0].shape.elementCount > 0 else { return }
        let type = builder.outputs[0].dataType
        let visitor = IndexedMaxPool(
            pool: pool, isColumnMajor: isColumnMajor, storesValues: builder.wants(output: 0))
        guard let body = try type.visitNumber(visitor) else {
            throw builder.inputs.fail("elements of type \(type) are not supported")
        }
        let taps = pool.axes.reduce(1) { $0 &* min($1.kernel, $1.input) }
        builder.addParallelStep(
            count: pool.batch * pool.channels * pool.axes[0].output,
            operationCount: builder.outputs[0].shape.elementCount &* max(taps, 1), body)
    }

    private func pool(_ inputs: PlanInputs) throws(EngineError) -> WindowPool {
        try WindowPool(
            image: try inputs.shape(0), window: window, isChannelsLast: isChannelsLast, inputs)
    }
}

extension MaxPool: ImageOperator {
    /// Indices are found with channels first.
    func channelsLast(
        for inputs: PlanInputs, isLast: (Int) -> Bool
    ) throws(EngineError) -> ChannelsLastForm? {
        guard inputs.outputCount < 2, try inputs.dataType(0) == .float else { return nil }
        var form = self
        form.isChannelsLast = true
        return ChannelsLastForm(op: form, images: [0])
    }
}

/// The largest element of each whole plane. - Source: ONNX GlobalMaxPool, opset 22.
typealias GlobalMaxPool = GlobalPoolOperator<MaxPooling>

struct MaxPooling: Pooling {
    init() {}
    init(_ node: NodeReader) {}

    var kernel: apus_pool? { APUS_POOL_MAX }
    static var takesIntegers: Bool { true }
    func initial<Value: Arithmetic>() -> Value { .lowest }
    func combine<Value: Arithmetic>(_ total: Value, _ x: Value) -> Value { .larger(total, x) }
    func finish<Value: Arithmetic>(_ total: Value, count: Int) -> Value { total }
}

private struct IndexedMaxPool: NumberVisitor {
    let pool: WindowPool
    let isColumnMajor: Bool
    let storesValues: Bool

    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        let (pool, isColumnMajor, storesValues) = (pool, isColumnMajor, storesValues)
        let rows = pool.axes[0].output
        let rowPixels = pool.outputPixels / max(rows, 1)
        return { frame, range in
            let x = frame.input(0, as: Element.self)
            let indices = frame.output(1, as: Int64.self)
            var window = WindowCursor(axes: pool.axes)
            for unit in range {
                let (plane, row) = unit.quotientAndRemainder(dividingBy: rows)
                let source = x + plane * pool.inputPixels
                for pixel in 0..<rowPixels {
                    window.move(to: row * rowPixels + pixel)
                    var best = Element.Value.lowest
                    var found = -1
                    window.forEachTap { offset in
                        let value = source[offset].value
                        if found < 0 || value > best
                            || (value.isNotANumber && !best.isNotANumber)
                        {
                            best = value
                            found = offset
                        }
                    }
                    let at = unit * rowPixels + pixel
                    let inside = isColumnMajor ? pool.columnMajor(max(found, 0)) : max(found, 0)
                    indices[at] = Int64(plane * pool.inputPixels + inside)
                    if storesValues { frame.output(0)[at] = Element(storing: best) }
                }
            }
        }
    }
}

extension WindowPool {
    /// The offset in a plane stored column-major (the first dimension innermost).
    fileprivate func columnMajor(_ offset: Int) -> Int {
        var rest = offset
        var weight = inputPixels
        var result = 0
        for axis in axes.reversed() {
            weight /= max(axis.input, 1)
            result += rest % axis.input * weight
            rest /= axis.input
        }
        return result
    }
}

extension MaxPool {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let rows = try node.items()
        guard rows == nil || node.inputs.outputCount < 2 else {
            throw RowMixing("counts its indices over the whole batch")
        }
        return node.outputs.map { _ in rows }
    }
}
