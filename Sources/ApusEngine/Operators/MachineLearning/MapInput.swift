internal import ApusCore

extension EvaluationContext {
    /// The keys and values of a map.
    func map(
        _ inputs: [Value?], _ index: Int
    ) throws(EngineError) -> (keys: Tensor, values: Tensor) {
        guard case .map(let keys, let values) = try value(inputs, index),
            keys.elementCount == values.elementCount
        else { throw fail("input \(index) must be a map") }
        return (keys, values)
    }
}
