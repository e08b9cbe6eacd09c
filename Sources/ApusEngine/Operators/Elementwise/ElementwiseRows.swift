extension OperatorTable {
    static let elementwiseRows: [Row] = [
        Row("", "Add", 1, Add.self),
        Row("", "Relu", 1, Relu.self),
    ]
}
