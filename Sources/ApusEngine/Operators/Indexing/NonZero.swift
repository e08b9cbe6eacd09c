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
        let tensor = try NodeEvaluator.aligned(try context.tensor(inputs, 0))
        guard let isNonZero = try Self.test(tensor) else {
            throw context.fail("elements of type \(tensor.dataType) are not supported")
        }
        let shape = tensor.shape
        let count = (0..<tensor.elementCount).count(where: isNonZero)
        return [
            .tensor(
                try context.naming {
                    let bytes = try TensorBytes(byteCount: shape.count * count * 8) { memory in
                        Self.write(memory.bindMemory(to: Int64.self), shape, count, isNonZero)
                    }
                    return try Tensor(
                        dataType: .int64, shape: [shape.count, count], bytes: bytes)
                })
        ]
    }

    /// Writes the coordinates of all elements that are not zero, one dimension after the other.
    private static func write(
        _ target: UnsafeMutableBufferPointer<Int64>, _ shape: Shape, _ count: Int,
        _ isNonZero: (Int) -> Bool
    ) {
        let strides = shape.rowMajorStrides
        var next = 0
        for position in 0..<(count == 0 ? 0 : shape.elementCount) where isNonZero(position) {
            for axis in shape.indices {
                target[axis * count + next] = Int64(position / strides[axis] % shape[axis])
            }
            next += 1
        }
    }

    /// Whether the element at a position is not zero.
    private static func test(_ tensor: Tensor) throws(EngineError) -> ((Int) -> Bool)? {
        if let texts = tensor.strings { return { !texts[$0].isEmpty } }
        return try tensor.dataType.visitNumber(NonZeroTest(tensor: tensor), takesBool: true)
    }
}

private struct NonZeroTest: NumberVisitor {
    let tensor: Tensor

    func visit<Element: Number>(_ type: Element.Type) -> (Int) -> Bool {
        let tensor = tensor
        return { position in
            guard let bytes = tensor.bytes else { return false }
            return bytes.pointer.assumingMemoryBound(to: Element.self)[position].value != .zero
        }
    }
}
