internal import ApusCore

/// One scan output of a loop: an equal tensor from each iteration, stacked along a new dimension.
struct StackedOutput {
    private let declared: GraphValue
    private var type = DataType.float
    private var collector: TensorCollector?
    private var shape: Shape
    private var count = 0

    /// - Parameters:
    ///   - declared: what the body says about its output.
    ///   - planned: what it is, if that is known; else the body is believed where no iteration runs.
    init(_ declared: GraphValue, planned: PlannedTensor? = nil) {
        self.declared = declared
        shape = planned?.shape ?? (declared.shape ?? []).map { max($0, 0) }
        if case .tensor(let declaredType) = declared.type { type = declaredType }
        if let planned { type = planned.dataType }
    }

    /// The scan outputs of a body, which are its outputs after `stateCount` others.
    ///
    /// - Parameter inputs: types and shapes of the body's inputs, given where no iteration runs.
    static func all(
        of body: Program, after stateCount: Int, _ inputs: [PlannedTensor?]?,
        in context: EvaluationContext
    ) -> [StackedOutput] {
        let planned = inputs.flatMap { context.plannedOutputs(of: body, $0) }
        return body.graph.outputs.indices.dropFirst(stateCount).map {
            StackedOutput(body.graph.outputs[$0], planned: planned?[$0])
        }
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
        let axis = try context.normalized("axis", axis, length: shape.count + 1)
        let (collector, stack) = (collector ?? TensorCollector(type), [count] + shape)
        return try context.naming { try collector.tensor(stack).movingAxis(0, to: axis) }
    }
}
