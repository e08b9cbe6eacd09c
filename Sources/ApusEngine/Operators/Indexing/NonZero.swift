internal import ApusCore

/// The indices of the elements that are not zero, in row-major order.
///
/// - Shapes: rank R gives `[R, N]`, one column per element that is not zero; a scalar gives `[0, N]`.
/// - Types: numbers, `bool` and strings (the empty one counts as zero); NaN is not zero. The result
///   is `int64`.
/// - Source: ONNX NonZero, opset 13.
struct NonZero: ValueOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let input = try context.tensor(inputs, 0)
        let tensor = try NodeEvaluator.aligned(input)
        guard let positions = try Self.positions(tensor) else {
            throw context.fail("elements of type \(tensor.dataType) are not supported")
        }
        let shape = tensor.shape
        let (count, overflow) = positions.count.multipliedReportingOverflow(by: shape.count)
        try context.checkMemory(byteCount: overflow || count > Int.max / 8 ? Int.max : count * 8)
        var indices: [Int64] = []
        indices.reserveCapacity(count)
        for (stride, length) in zip(shape.rowMajorStrides, shape) {
            for position in positions { indices.append(Int64(position / stride % length)) }
        }
        return [try context.make(.int64, [shape.count, positions.count], indices)]
    }

    private static func positions(_ tensor: Tensor) throws(EngineError) -> [Int]? {
        if let texts = tensor.strings { return texts.indices.filter { !texts[$0].isEmpty } }
        return try tensor.dataType.visitNumber(NonZeroPositions(tensor: tensor), takesBool: true)
    }
}

/// Where a tensor is not zero.
private struct NonZeroPositions: NumberVisitor {
    let tensor: Tensor

    func visit<Element: Number>(_ type: Element.Type) -> [Int] {
        guard let bytes = tensor.bytes else { return [] }
        return bytes.withUnsafeBytes { memory in
            let elements = memory.assumingMemoryBound(to: Element.self)
            return elements.indices.filter { elements[$0].value != .zero }
        }
    }
}
