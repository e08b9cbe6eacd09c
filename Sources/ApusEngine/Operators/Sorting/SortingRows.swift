extension OperatorTable {
    static let sortingRows: [Row] = [
        Row("", "TopK", 1, TopK.self),
        Row("", "Unique", 11, Unique.self),
    ]
}
