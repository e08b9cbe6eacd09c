internal import ApusCore

/// The sequence of a tensor's parts along an axis: parts of one length (the last one may be
/// shorter), of given lengths, or single slices, which lose the axis if `keepdims` is 0.
///
/// - Types: all. - Source: ONNX SplitToSequence, opset 24.
struct SplitToSequence: ValueOperator {
    /// What a part costs besides its bytes.
    private static let partByteCount = 256

    private let axis: Int
    private let keepsDimension: Bool

    init(_ node: NodeReader) throws(EngineError) {
        axis = try node.int("axis", default: 0)
        keepsDimension = try node.flag("keepdims", default: true)
    }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let source = try context.tensor(inputs, 0)
        let axis = try context.normalized("axis", axis, length: source.shape.count)
        let split =
            inputs.count > 1
            ? try inputs[1].map { value throws(EngineError) in
                try context.tensor([value], 0)
            } : nil
        let lengths = try lengths(split, source.shape[axis], context)
        var parts: [Value] = []
        var start = 0
        for length in lengths {
            let range = start..<start + length
            parts.append(
                .tensor(
                    try context.naming {
                        split == nil && !keepsDimension
                            ? try source.slice(axis: axis, range.lowerBound)
                            : try source.part(axis: axis, range)
                    }))
            start += length
        }
        return [.sequence(parts, element: .tensor(source.dataType))]
    }

    private func lengths(
        _ split: Tensor?, _ total: Int, _ context: EvaluationContext
    ) throws(EngineError) -> [Int] {
        guard let split else {
            try context.reserve(count: total, byteCount: Self.partByteCount)
            return Array(repeating: 1, count: total)
        }
        guard let values = split.integers, values.allSatisfy({ $0 >= 0 && $0 <= total }) else {
            throw context.fail("the split must be integers in 0...\(total)")
        }
        if !split.shape.isEmpty {
            guard values.addUp(to: total) else {
                throw context.fail("parts \(values.prefix(20)) do not add up to \(total)")
            }
            try context.reserve(count: values.count, byteCount: Self.partByteCount)
            return values
        }
        guard let length = values.first, length > 0 else {
            throw context.fail("parts of length 0 are asked for")
        }
        let count = (total + length - 1) / length
        try context.reserve(count: count, byteCount: Self.partByteCount)
        return (0..<count).map { min(length, total - $0 * length) }
    }
}
