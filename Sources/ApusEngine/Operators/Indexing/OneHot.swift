internal import ApusCore

/// A vector per index that holds the on-value at the index and the off-value elsewhere; all
/// off-values where the index is out of range.
///
/// - Shapes: `indices` with a dimension of length `depth` inserted at `axis`. `values` is
///   `[off, on]`. - Types: indices and depth any numbers, values all types.
/// - Source: ONNX OneHot, opset 11.
struct OneHot: StepOperator {
    private let axis: Int

    init(_ node: NodeReader) throws(EngineError) { axis = try node.int("axis", default: -1) }

    var contentInputs: [Int] { [1] }
    var movesElements: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        var shape = try inputs.shape(0)
        let values = try inputs.tensor(2)
        guard values.shape == [2], let depth = inputs.constant(1)?.scalarInteger, depth >= 0 else {
            throw inputs.fail("depth must be one number, values two")
        }
        let axis = try inputs.normalized(axis: axis, rank: shape.count + 1)
        shape.insert(depth, at: axis)
        return [PlannedTensor(values.dataType, shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let shape = builder.outputs[0].shape
        let axis = try builder.inputs.normalized(axis: axis, rank: shape.count)
        let count = shape.elementCount
        let type = try builder.inputs.dataType(0)
        guard count > 0 else { return }
        guard let reader = try type.visitNumber(ReaderOfDoubles()),
            let body = try builder.outputs[0].dataType.visitWidth(
                OneHotBody(
                    reader: reader, depth: shape[axis],
                    inner: Array(shape[(axis + 1)...]).elementCount))
        else { throw builder.inputs.fail("indices of type \(type) are not supported") }
        builder.addParallelStep(count: count, grain: 1024, operationCount: count * 2, body)
    }
}

private struct OneHotBody: WidthVisitor {
    let reader: DoubleReader
    let depth: Int
    let inner: Int

    func visit<Element: BitwiseCopyable & Sendable>(_ type: Element.Type) -> StepBody {
        let (reader, depth, inner) = (reader, depth, inner)
        return { frame, range in
            let indices = frame.rawInput(0)
            let values = frame.input(2, as: Element.self)
            let output = frame.output(0, as: Element.self)
            for position in range {
                let outer = position / (depth * inner)
                let level = position / inner % depth
                let index = reader(indices, outer * inner + position % inner)
                let positive = index < 0 ? index + Double(depth) : index
                output[position] = values[positive == Double(level) ? 1 : 0]
            }
        }
    }
}

extension Tensor {
    /// The one element of a number tensor as an integer; nil for strings, other counts and values
    /// that are not whole or do not fit.
    var scalarInteger: Int? {
        guard elementCount == 1 else { return nil }
        if let integers { return integers.first }
        return scalarDouble.flatMap { Int(exactly: $0) }
    }

    /// The one element of a number tensor; nil for strings and other counts.
    var scalarDouble: Double? {
        guard elementCount == 1 else { return nil }
        switch dataType {
        case .float: return elements(as: Float.self).first.map { Double($0) }
        case .double: return elements(as: Double.self).first
        case .float16: return elements(as: Float16.self).first.map { Double($0) }
        case .bfloat16:
            return elements(as: UInt16.self).first.map { Double(BFloat16(bits: $0).value) }
        default: return integers?.first.map { Double($0) }
        }
    }
}

extension OneHot {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        try node.requireNoRows()
        guard let rows = node.rows(0) else { return [nil] }
        let axis = try node.normalized(axis: axis, rank: node.outputShape.count)
        return [rows.moved(to: rows.axis + (rows.axis >= axis ? 1 : 0))]
    }
}
