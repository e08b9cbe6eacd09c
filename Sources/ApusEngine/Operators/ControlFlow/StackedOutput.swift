internal import ApusCore

/// One scan output of a loop: an equal tensor from each iteration, stacked along a new dimension.
struct StackedOutput {
    private let declared: GraphValue
    private var collector: TensorCollector?
    private var shape: Shape
    private var count = 0

    /// - Parameter declared: what the body says about its output; it gives type and shape where no
    ///   iteration runs.
    init(_ declared: GraphValue) {
        self.declared = declared
        shape = (declared.shape ?? []).map { max($0, 0) }
    }

    mutating func append(_ value: Value, in context: EvaluationContext) throws(EngineError) {
        guard let tensor = value.tensor else {
            throw context.fail("scan output \"\(declared.name)\" is not a tensor")
        }
        if collector == nil {
            collector = TensorCollector(tensor.dataType)
            shape = tensor.shape
        }
        guard tensor.shape == shape, tensor.dataType == collector?.dataType else {
            throw context.fail(
                "scan output \"\(declared.name)\" is \(tensor.dataType) \(tensor.shape) in "
                    + "iteration \(count), \(collector?.dataType ?? .float) \(shape) before")
        }
        try collector?.append(tensor, in: context)
        count += 1
    }

    /// The stack, with the iterations along `axis` of the result.
    func tensor(axis: Int = 0, in context: EvaluationContext) throws(EngineError) -> Tensor {
        var type = DataType.float
        if case .tensor(let declaredType) = declared.type { type = declaredType }
        let axis = try context.normalized("axis", axis, length: shape.count + 1)
        let (collector, stack) = (collector ?? TensorCollector(type), [count] + shape)
        return try context.naming { try collector.tensor(stack).movingAxis(0, to: axis) }
    }
}
