internal import ApusCore

/// The matrix product of numpy.matmul: ONNX MatMul, and the engine's own `apus.MatMul`, which adds a
/// bias and a residual and applies an activation.
///
/// - Shapes: `[…, M, K] · […, K, N]`, the leading dimensions broadcast; a vector is one row on the
///   left and one column on the right. In `apus.MatMul` B is `[N, K]` with `transB`, the bias is
///   `[N]`, and the residual broadcasts together with the product.
/// - Types: floats (half precision sums in `float`) and integers, which wrap.
/// - Source: ONNX MatMul, opset 13.
struct MatMul: StepOperator {
    private let isRightTransposed: Bool
    private let activation: FusedActivation

    init(_ node: NodeReader) throws(EngineError) {
        let isOwn = node.node.domain == "apus"
        isRightTransposed = isOwn ? try node.flag("transB") : false
        activation = isOwn ? try FusedActivation(node) : .none
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let shape = try shape(inputs)
        let type = try inputs.commonType(0..<2)
        for index in 2..<4 where inputs.has(index) {
            let other = try inputs.dataType(index)
            guard other == type else {
                throw inputs.fail("input \(index) has type \(other), expected \(type)")
            }
        }
        if inputs.has(2), try inputs.shape(2) != [shape.columns] {
            throw inputs.fail(
                "the bias has shape \(try inputs.shape(2)), expected [\(shape.columns)]")
        }
        guard inputs.has(3) else { return [PlannedTensor(type, shape.output)] }
        return [PlannedTensor(type, try inputs.broadcast(shape.output, try inputs.shape(3)))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        var product = Product(shape: try shape(builder.inputs))
        product.isRightTransposed = isRightTransposed
        product.addend = builder.inputs.has(2) ? 2 : nil
        product.residual = builder.inputs.has(3) ? 3 : nil
        product.activation = activation
        try product.plan(&builder)
    }

    private func shape(_ inputs: PlanInputs) throws(EngineError) -> ProductShape {
        var right = try inputs.shape(1)
        if isRightTransposed {
            guard right.count == 2 else {
                throw inputs.fail("B of shape \(right) cannot be transposed as a matrix")
            }
            right.swapAt(0, 1)
        }
        return try ProductShape(matMul: try inputs.shape(0), right, inputs)
    }
}

extension MatMul {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        try node.requireNoRows(inInputs: [2])
        var right = RowNode.Operand(shape: try node.shape(1), rows: node.rows(1))
        if isRightTransposed { right.swapMatrixAxes() }
        let left = RowNode.Operand(shape: try node.shape(0), rows: node.rows(0))
        guard node.inputs.has(3) else {
            return [try RowNode.product(left, right, output: node.outputShape)]
        }
        let shape = try node.valid { () throws(EngineError) in
            try self.shape(node.inputs).output
        }
        let product = RowNode.Operand(
            shape: shape, rows: try RowNode.product(left, right, output: shape))
        let residual = RowNode.Operand(shape: try node.shape(3), rows: node.rows(3))
        return [try RowNode.broadcast([product, residual], output: node.outputShape)]
    }
}
