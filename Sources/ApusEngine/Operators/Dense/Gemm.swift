internal import ApusCore

/// `Y = alpha * A' · B' + beta * C`, with A and B transposed on request.
///
/// - Shapes: `A' [M, K]`, `B' [K, N]`; C broadcasts to `[M, N]`.
/// - Types: floats (half precision sums in `float`) and integers of 32 and 64 bits, which wrap.
/// - Source: ONNX Gemm, opset 13.
struct Gemm: StepOperator {
    private let isLeftTransposed: Bool
    private let isRightTransposed: Bool
    private let alpha: Float
    private let beta: Float

    init(_ node: NodeReader) throws(EngineError) {
        isLeftTransposed = try node.flag("transA")
        isRightTransposed = try node.flag("transB")
        alpha = try node.float("alpha", default: 1)
        beta = try node.float("beta", default: 1)
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let shape = try shape(inputs)
        let type = try inputs.commonType(0..<(inputs.has(2) ? 3 : 2))
        return [PlannedTensor(type, shape.output)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        var product = Product(shape: try shape(builder.inputs))
        product.isLeftTransposed = isLeftTransposed
        product.isRightTransposed = isRightTransposed
        product.alpha = alpha
        product.beta = beta
        product.addend = builder.inputs.has(2) ? 2 : nil
        try product.plan(&builder)
    }

    private func shape(_ inputs: PlanInputs) throws(EngineError) -> ProductShape {
        var (a, b) = (try inputs.shape(0), try inputs.shape(1))
        guard a.count == 2, b.count == 2 else {
            throw inputs.fail("shapes \(a) and \(b): both must be matrices")
        }
        if isLeftTransposed { a.swapAt(0, 1) }
        if isRightTransposed { b.swapAt(0, 1) }
        guard a[1] == b[0] else {
            throw inputs.fail("A has \(a[1]) columns, B \(b[0]) rows, transposed as asked")
        }
        let output = [a[0], b[1]]
        guard output.checkedElementCount != nil else {
            throw inputs.fail("a result of shape \(output) is too large")
        }
        if inputs.has(2) {
            let c = try inputs.shape(2)
            let fits = zip(output.suffix(c.count), c).allSatisfy { $1 == 1 || $0 == $1 }
            guard c.count <= 2, fits else {
                throw inputs.fail("C of shape \(c) does not broadcast to \(output)")
            }
        }
        return ProductShape(rows: a[0], columns: b[1], depth: a[1])
    }
}

extension Gemm {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        var left = RowNode.Operand(shape: try node.shape(0), rows: node.rows(0))
        var right = RowNode.Operand(shape: try node.shape(1), rows: node.rows(1))
        if isLeftTransposed { left.swapMatrixAxes() }
        if isRightTransposed { right.swapMatrixAxes() }
        let output = node.outputShape
        let rows = try RowNode.product(left, right, output: output)
        guard node.inputs.has(2) else { return [rows] }
        let addend = RowNode.Operand(shape: try node.shape(2), rows: node.rows(2))
        return [
            try RowNode.broadcast(
                [RowNode.Operand(shape: output, rows: rows), addend], output: output)
        ]
    }
}
