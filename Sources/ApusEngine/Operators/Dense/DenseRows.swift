extension OperatorTable {
    static let denseRows: [Row] = [
        Row("", "Gemm", 1, Gemm.self),
        Row("", "MatMul", 1, MatMul.self),
    ]
}
