internal import ApusCore

/// Rows normalised to mean 0 and variance 1, then scaled and shifted:
/// `y = (x - mean) / √(variance + epsilon) * scale + bias`. RMSNormalization has neither mean nor
/// bias: `y = x / √(Σ x² / n + epsilon) * scale`.
///
/// - Shapes: all dimensions from `axis` on are one row; scale and bias broadcast to `x`. The outputs
///   `Mean` and `InvStdDev` have one element per row, in the type `stash_type`.
/// - Types: `float`, `double`, `float16`, `bfloat16`; the half precision types compute in `float`.
/// - Complexity: three passes over a row, which stays in the cache.
/// - Source: ONNX LayerNormalization, opset 17, and RMSNormalization, opset 23.
struct LayerNormalization: StepOperator {
    private let axis: Int
    private let epsilon: Float
    private let stashType: DataType
    private let isCentred: Bool

    init(_ node: NodeReader) throws(EngineError) {
        axis = try node.int("axis", default: -1)
        epsilon = try node.float("epsilon", default: 1e-5)
        stashType = try node.dataType("stash_type") ?? .float
        isCentred = node.node.opType == "LayerNormalization"
        guard [.float, .double, .float16, .bfloat16].contains(stashType) else {
            throw node.fail("attribute \"stash_type\" is \(stashType), not a float type")
        }
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        let first = try inputs.normalized(axis: axis, rank: source.shape.count)
        for index in 1..<min(inputs.count, 3) where inputs.has(index) {
            let shape = try inputs.shape(index)
            guard try inputs.broadcast(source.shape, shape) == source.shape else {
                throw inputs.fail(
                    "input \(index) has shape \(shape), which does not broadcast to "
                        + "\(source.shape)")
            }
        }
        guard inputs.has(1) else { throw inputs.fail("input 1 is missing") }
        guard isCentred else { return [source] }
        let rows = source.shape.indices.map { $0 < first ? source.shape[$0] : 1 }
        let statistics = PlannedTensor(stashType, rows)
        return [source, statistics, statistics]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let type = try builder.inputs.dataType(0)
        switch type {
        case .float: try plan(Float.self, &builder)
        case .double: try plan(Double.self, &builder)
        case .float16: try plan(Float16.self, &builder)
        case .bfloat16: try plan(BFloat16.self, &builder)
        default: throw builder.inputs.fail("elements of type \(type) are not supported")
        }
    }

    private func plan<Element: FloatNumber>(
        _ type: Element.Type, _ builder: inout StepBuilder
    ) throws(EngineError) {
        let shape = try builder.inputs.shape(0)
        let first = try builder.inputs.normalized(axis: axis, rank: shape.count)
        let lines = LineShape(shape, from: first)
        let parameters = try RowParameters<Element.Value>(&builder, shape, lines)
        let rows = RowMath<Element.Value>(builder.kernels)
        let (epsilon, isCentred, count) = (Element.Value(epsilon), isCentred, lines.length)
        let means = isCentred ? try statistics(output: 1, of: Element.Value.self, &builder) : nil
        let inverses = isCentred ? try statistics(output: 2, of: Element.Value.self, &builder) : nil
        builder.addLines(lines, of: type, worksInPlace: true, operationsPerElement: 8) {
            frame, x, y, line in
            let n = Element.Value(count)
            let mean = isCentred ? rows.sum(x, count) / n : 0
            let variance = rows.sumOfSquares(x, around: mean, count) / n
            let inverse = 1 / (variance + epsilon).squareRoot()
            parameters.normalize(rows, frame, x, mean: mean, inverse: inverse, y, line)
            means?(frame, line, mean)
            inverses?(frame, line, inverse)
        }
    }

    private typealias StatisticWriter<Value> = @Sendable (StepFrame, Int, Value) -> Void

    /// How a row's mean or deviation goes into an output; nil if nobody wants it.
    private func statistics<Value: FloatMath>(
        output: Int, of type: Value.Type, _ builder: inout StepBuilder
    ) throws(EngineError) -> StatisticWriter<Value>? {
        guard builder.wants(output: output) else { return nil }
        return try stashType.visitFloat(StatisticOutput<Value>(output: output))
    }

    private struct StatisticOutput<Value: FloatMath>: FloatVisitor {
        let output: Int

        func visit<Element: FloatNumber>(_ type: Element.Type) -> StatisticWriter<Value> {
            let output = output
            return { frame, line, value in
                frame.output(output, as: Element.self)[line] =
                    Element(storing: Element.Value(fromDouble: value.asDouble))
            }
        }
    }
}

/// Scale and bias of a normalised row: the same for all rows, or broadcast.
private struct RowParameters<Value: FloatMath>: Sendable {
    private let scale: Parameter<Value>
    private let bias: Parameter<Value>?
    private let count: Int
    /// Operand 0 is the scale, 1 the bias; nil if both are one row that serves all rows.
    private let broadcast: StridedLayout?

    init(
        _ builder: inout StepBuilder, _ shape: Shape, _ lines: LineShape
    ) throws(EngineError) {
        let hasBias = builder.inputs.has(2)
        let scaleShape = try builder.inputs.shape(1)
        let biasShape = hasBias ? try builder.inputs.shape(2) : scaleShape
        scale = try builder.parameter(1, as: Value.self)
        bias = hasBias ? try builder.parameter(2, as: Value.self) : nil
        count = lines.length
        let isOneRow = [scaleShape, biasShape].allSatisfy { own in
            own.elementCount == lines.length
                && Array(own.drop { $0 == 1 }) == Array(shape.suffix(own.drop { $0 == 1 }.count))
        }
        broadcast =
            isOneRow ? nil : StridedLayout(output: shape, broadcasting: [scaleShape, biasShape])
    }

    func normalize(
        _ rows: RowMath<Value>, _ frame: StepFrame, _ x: UnsafePointer<Value>, mean: Value,
        inverse: Value, _ y: UnsafeMutablePointer<Value>, _ line: Int
    ) {
        let scale = scale.pointer(frame)
        let bias = bias?.pointer(frame)
        guard let broadcast else {
            return rows.normalize(
                x, mean: mean, inverse: inverse, scale: scale, bias: bias, y, count)
        }
        rows.normalize(x, mean: mean, inverse: inverse, scale: nil, bias: nil, y, count)
        let start = line * count
        let steps = broadcast.innerStrides
        broadcast.forEachRun(start..<start + count) { run in
            let y = y + (run.start - start)
            for i in 0..<run.count {
                y[i] *= scale[run.offsets[0] + i * steps[0]]
                if let bias { y[i] += bias[run.offsets[1] + i * steps[1]] }
            }
        }
    }
}

extension LayerNormalization {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let rank = node.outputShape.count
        let first = try node.normalized(axis: axis, rank: rank)
        let rows = try node.lines(along: Array(first..<rank), doing: "normalises over")
        return node.outputs.map { _ in rows }
    }
}
