extension OperatorTable {
    static let shapeRows: [Row] = [
        Row("", "Reshape", 5, Reshape.self)
    ]
}
