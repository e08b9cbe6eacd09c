extension OperatorTable {
    static let imageRows: [Row] = [
        Row("", "Resize", 10, Resize.self),
        Row("", "Upsample", 1, Resize.self),
    ]
}
