internal import ApusCore
internal import CApusKernels

/// `y = max(0, x)`; NaN stays NaN.
///
/// - Shapes: any; the result has the same.
/// - Types: `float`.
/// - Source: ONNX Relu, opset 14.
struct Relu: StepOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [try inputs.tensor(0)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        guard try builder.inputs.dataType(0) == .float else {
            throw builder.inputs.fail("type is not supported")
        }
        let count = builder.outputs[0].shape.elementCount
        let unary = builder.kernels.unary_f32
        builder.mayReuse(input: 0, forOutput: 0)
        builder.addParallelStep(count: count, grain: 4096, operationCount: count) {
            frame, range in
            unary?(
                APUS_UNARY_RELU, frame.input(0) + range.lowerBound,
                frame.output(0) + range.lowerBound, range.count, nil)
        }
    }
}
