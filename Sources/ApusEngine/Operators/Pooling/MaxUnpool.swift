internal import ApusCore

/// Puts the elements that a max pool chose back to where they were; all others are zero.
///
/// - Shapes: `X` and `I [N, C, spatial]`; the result `[N, C, spatial']` with
///   `spatial' = stride * (spatial - 1) + kernel - pads`, which `I` counts through, or `output_shape`
///   with that in its first corner.
/// - Types: floats; `I` and `output_shape` are `int64`.
/// - Throws: while it runs, for an index out of range.
/// - Source: ONNX MaxUnpool, opset 22.
struct MaxUnpool: StepOperator {
    private let window: WindowAttributes

    init(_ node: NodeReader) throws(EngineError) { window = try WindowAttributes(node) }

    var contentInputs: [Int] { [2] }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        let indices = try inputs.tensor(1)
        guard indices == PlannedTensor(.int64, source.shape) else {
            throw inputs.fail(
                "indices are \(indices.dataType) of shape \(indices.shape), expected int64 of "
                    + "shape \(source.shape)")
        }
        let inner = try innerShape(inputs)
        guard let shape = try inputs.integers(2) else {
            return [PlannedTensor(source.dataType, inner)]
        }
        guard shape.count == inner.count, zip(shape, inner).allSatisfy({ $0 >= $1 }) else {
            throw inputs.fail("output_shape \(shape) does not hold \(inner)")
        }
        return [PlannedTensor(source.dataType, shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let inner = try innerShape(builder.inputs)
        let output = builder.outputs[0]
        guard let count = inner.checkedElementCount else {
            throw builder.inputs.fail("a result of shape \(inner) is too large")
        }
        let visitor = Scattering(
            inner: inner, innerCount: count, outer: output.shape,
            count: try builder.inputs.shape(0).elementCount, node: builder.inputs)
        guard
            output.dataType == .float || output.dataType == .double
                || output.dataType == .float16 || output.dataType == .bfloat16,
            let body = try output.dataType.visitWidth(visitor)
        else {
            throw builder.inputs.fail("elements of type \(output.dataType) are not supported")
        }
        // Equal indices must be written in order.
        builder.addStep(isSerial: true, operationCount: output.shape.elementCount, body)
    }

    private func innerShape(_ inputs: PlanInputs) throws(EngineError) -> Shape {
        let shape = try inputs.shape(0)
        guard shape.count >= 3 else {
            throw inputs.fail("an image has 3 dimensions or more, not the shape \(shape)")
        }
        let rank = shape.count - 2
        let kernel = try window.kernel(weights: nil, rank: rank, inputs)
        let (strides, _, pads) = try window.lists(rank: rank, inputs)
        var result = Array(shape[..<2])
        for index in 0..<rank {
            guard shape[index + 2] <= 1 << 30 else {
                throw inputs.fail("an image of shape \(shape) is too large")
            }
            let length =
                (shape[index + 2] - 1) * strides[index] + kernel[index] - pads[index]
                - pads[index + rank]
            guard length >= 0 else {
                throw inputs.fail("the pads \(pads) take more than there is")
            }
            result.append(length)
        }
        return result
    }
}

private struct Scattering: WidthVisitor {
    let inner: Shape
    let innerCount: Int
    let outer: Shape
    let count: Int
    let node: PlanInputs

    func visit<Element: BitwiseCopyable & Sendable>(
        _ type: Element.Type
    ) -> @Sendable (StepFrame) throws(EngineError) -> Void {
        let work = self
        let strides = outer.rowMajorStrides
        return { frame throws(EngineError) in
            let x = frame.input(0, as: Element.self)
            let indices = frame.input(1, as: Int64.self)
            let byteCount = work.outer.elementCount * MemoryLayout<Element>.stride
            frame.rawOutput(0).initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
            let y = frame.output(0, as: Element.self)
            for i in 0..<work.count {
                if i % StepPiece.operationCount == 0, frame.isCancelled { return }
                guard indices[i] >= 0, indices[i] < work.innerCount else {
                    throw work.node.fail(
                        "index \(indices[i]) is out of 0..<\(work.innerCount)")
                }
                var rest = Int(indices[i])
                var target = 0
                for dimension in work.inner.indices.reversed() {
                    target += rest % work.inner[dimension] * strides[dimension]
                    rest /= work.inner[dimension]
                }
                y[target] = x[i]
            }
        }
    }
}
