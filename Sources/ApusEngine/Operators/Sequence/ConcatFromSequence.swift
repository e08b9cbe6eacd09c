internal import ApusCore

/// The tensors of a sequence, joined along an axis or stacked along a new one.
///
/// - Types: all. - Source: ONNX ConcatFromSequence, opset 11.
struct ConcatFromSequence: ValueOperator {
    private let axis: Int
    private let stacks: Bool

    init(_ node: NodeReader) throws(EngineError) {
        guard let axis = try node.int("axis") else {
            throw node.fail("attribute \"axis\" is missing")
        }
        self.axis = axis
        stacks = try node.flag("new_axis")
    }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let (elements, _) = try context.sequence(inputs, 0)
        var tensors: [Tensor] = []
        for index in elements.indices {
            let tensor = try context.tensor(elements, index)
            var shape = tensor.shape
            if stacks {
                let axis = try context.normalized("axis", axis, length: shape.count + 1)
                shape.insert(1, at: axis)
            }
            let target = shape
            tensors.append(try context.naming { try tensor.reshaped(to: target) })
        }
        guard let first = tensors.first else { throw context.fail("the sequence is empty") }
        let axis = try context.normalized("axis", axis, length: first.shape.count)
        return [.tensor(try joined(tensors, first, axis, context))]
    }

    /// Block by block: for each position before the axis, each tensor's part.
    private func joined(
        _ tensors: [Tensor], _ first: Tensor, _ axis: Int, _ context: EvaluationContext
    ) throws(EngineError) -> Tensor {
        var shape = first.shape
        shape[axis] = 0
        for (index, tensor) in tensors.enumerated() {
            var other = tensor.shape
            if other.count == shape.count { other[axis] = shape[axis] }
            guard other == shape, tensor.dataType == first.dataType else {
                throw context.fail(
                    "element \(index) is \(tensor.dataType) \(tensor.shape), which does not fit "
                        + "\(first.dataType) \(first.shape) along axis \(axis)")
            }
            let (length, overflow) = shape[axis].addingReportingOverflow(tensor.shape[axis])
            guard !overflow else { throw context.fail("the result is too long") }
            shape[axis] = length
        }
        guard let count = shape.checkedElementCount else {
            throw context.fail("the result of shape \(shape) is too large")
        }
        let outer = Array(shape[..<axis]).elementCount
        var collector = TensorCollector(first.dataType)
        // Without elements there may be any number of empty blocks.
        for block in 0..<(count == 0 ? 0 : outer) {
            try context.checkCancelled()
            for tensor in tensors {
                let part = try context.naming {
                    let flat = try tensor.reshaped(
                        to: [outer, outer == 0 ? 0 : tensor.elementCount / outer])
                    return outer == 1 ? flat : try flat.rows(block..<block + 1)
                }
                try collector.append(part, in: context)
            }
        }
        let (made, target) = (collector, shape)
        return try context.naming { try made.tensor(target) }
    }
}
