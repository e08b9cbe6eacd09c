extension OperatorTable {
    static let denseRows: [Row] = [
        Row("", "Det", 11, Det.self),
        Row("", "Einsum", 12, Einsum.self),
        Row("", "Gemm", 1, Gemm.self),
        Row("", "MatMul", 1, MatMul.self),
        Row("apus", "MatMul", 1, MatMul.self),
        Row("", "MatMulInteger", 10, MatMulInteger.self),
        Row("", "QLinearMatMul", 10, QLinearMatMul.self),
    ]
}
