internal import ApusCore

/// The input's shape, or the part `start..<end` of it, as a 1-D `int64` tensor.
///
/// - Types: all. - Source: ONNX Shape, opset 25.
struct ShapeOf: StringOperator {
    private let start: Int
    private let end: Int?

    init(_ node: NodeReader) throws(EngineError) {
        start = try node.int("start", default: 0)
        end = try node.int("end")
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [PlannedTensor(.int64, [part(of: try inputs.shape(0)).count])]
    }

    func contents(for inputs: PlanInputs) throws(EngineError) -> [Tensor]? {
        [try inputs.integerTensor(part(of: try inputs.shape(0)))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {}

    func evaluateStrings(
        _ inputs: [Tensor?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let inputs = context.planInputs(inputs)
        return [.tensor(try inputs.integerTensor(part(of: try inputs.shape(0))))]
    }

    private func part(of shape: Shape) -> [Int] {
        let first = Self.clamped(start, shape.count)
        let last = Self.clamped(end ?? shape.count, shape.count)
        return first < last ? Array(shape[first..<last]) : []
    }

    private static func clamped(_ index: Int, _ rank: Int) -> Int {
        min(max(index < 0 ? index &+ rank : index, 0), rank)
    }
}

/// The number of the input's elements.
struct SizeOf: StringOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [PlannedTensor(.int64, [])]
    }

    func contents(for inputs: PlanInputs) throws(EngineError) -> [Tensor]? {
        [try inputs.integerTensor([try inputs.shape(0).elementCount], shape: [])]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {}

    func evaluateStrings(
        _ inputs: [Tensor?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let inputs = context.planInputs(inputs)
        return [
            .tensor(try inputs.integerTensor([try inputs.shape(0).elementCount], shape: []))
        ]
    }
}

extension PlanInputs {
    /// A small `int64` tensor.
    fileprivate func integerTensor(
        _ values: [Int], shape: Shape? = nil
    ) throws(EngineError) -> Tensor {
        do { return try Tensor(.int64, shape ?? [values.count], values) } catch {
            throw fail("\(error)")
        }
    }
}
