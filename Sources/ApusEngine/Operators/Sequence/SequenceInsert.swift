internal import ApusCore

/// A sequence with one more tensor, at a position or at the end.
///
/// - Throws: `limitExceeded` if all elements together are over the memory limit: a loop may insert
///   for ever. - Source: ONNX SequenceInsert, opset 11.
struct SequenceInsert: ValueOperator {
    /// What an element costs besides its bytes.
    private static let elementByteCount = 256

    init(_ node: NodeReader) throws(EngineError) {}

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        var (elements, type) = try context.sequence(inputs, 0)
        let tensor = try context.tensor(inputs, 1)
        guard type == .tensor(tensor.dataType) else {
            throw context.fail("a tensor of \(tensor.dataType) does not fit elements of \(type)")
        }
        let byteCount = elements.reduce(tensor.heldByteCount) {
            $0 + ($1.tensor?.heldByteCount ?? 0) + Self.elementByteCount
        }
        try context.reserve(byteCount: byteCount)
        let position = try context.integer(inputs, 2) ?? elements.count
        guard position >= -elements.count, position <= elements.count else {
            throw context.fail("position \(position) is out of range for \(elements.count)")
        }
        elements.insert(
            .tensor(tensor), at: position < 0 ? position + elements.count : position)
        return [.sequence(elements, element: type)]
    }
}
