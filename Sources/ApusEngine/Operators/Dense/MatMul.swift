internal import ApusCore

/// The matrix product of numpy.matmul.
///
/// - Shapes: `[…, M, K] · […, K, N]`, the leading dimensions broadcast; a vector is one row on the
///   left and one column on the right.
/// - Types: floats (half precision sums in `float`) and integers of 32 and 64 bits, which wrap.
/// - Source: ONNX MatMul, opset 13.
struct MatMul: StepOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let shape = try ProductShape(matMul: try inputs.shape(0), try inputs.shape(1), inputs)
        return [PlannedTensor(try inputs.commonType(0..<2), shape.output)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let inputs = builder.inputs
        let shape = try ProductShape(matMul: try inputs.shape(0), try inputs.shape(1), inputs)
        try Product(shape: shape).plan(&builder)
    }
}
