internal import ApusCore
internal import CApusKernels

/// `y = a + b` with broadcasting.
struct Add: StepOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let shape = try inputs.broadcast(try inputs.shape(0), try inputs.shape(1))
        return [PlannedTensor(try inputs.dataType(0), shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let shape = builder.outputs[0].shape
        guard try builder.inputs.shape(0) == shape, try builder.inputs.shape(1) == shape else {
            throw builder.inputs.fail("broadcasting comes with the family")
        }
        let binary = builder.kernels.binary_f32
        builder.addParallelStep(count: shape.elementCount, grain: 4096) { frame, range in
            binary?(
                APUS_BINARY_ADD, frame.input(0) + range.lowerBound, 1,
                frame.input(1) + range.lowerBound, 1, frame.output(0) + range.lowerBound,
                range.count)
        }
    }
}
