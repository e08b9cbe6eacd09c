internal import ApusCore

/// The tensor in the node's attribute.
///
/// - Types: all. - Source: ONNX Constant, opset 25.
struct Constant: StringOperator {
    private let tensor: Tensor

    init(_ node: NodeReader) throws(EngineError) {
        guard let tensor = try Self.tensor(node) else {
            throw node.fail("has no attribute with a value")
        }
        self.tensor = tensor
    }

    private static func tensor(_ node: NodeReader) throws(EngineError) -> Tensor? {
        if node.has("value") { return try node.tensor("value") }
        if node.has("sparse_value") { return try node.tensor("sparse_value") }
        do {
            if let value = try node.float("value_float") { return try Tensor(.float, [], [value]) }
            if let values = try node.floats("value_floats") {
                return try Tensor(.float, [values.count], values)
            }
            if let value = try node.int("value_int") { return try Tensor(.int64, [], [value]) }
            if let values = try node.ints("value_ints") {
                return try Tensor(.int64, [values.count], values)
            }
            if let value = try node.bytes("value_string") {
                return try Tensor(shape: [], strings: [value])
            }
            if let values = try node.strings("value_strings") {
                return try Tensor(shape: [values.count], strings: values)
            }
        } catch let error as EngineError {
            throw error
        } catch {
            throw node.fail("\(error)")
        }
        return nil
    }

    var makesStrings: Bool { tensor.dataType == .string }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [PlannedTensor(tensor.dataType, tensor.shape)]
    }

    func contents(for inputs: PlanInputs) throws(EngineError) -> [Tensor]? { [tensor] }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {}

    func evaluateStrings(
        _ inputs: [Tensor?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        [.tensor(tensor)]
    }
}
