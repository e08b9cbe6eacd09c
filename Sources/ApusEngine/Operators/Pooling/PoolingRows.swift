extension OperatorTable {
    static let poolingRows: [Row] = [
        Row("", "AveragePool", 1, AveragePool.self),
        Row("", "GlobalAveragePool", 1, GlobalAveragePool.self),
        Row("", "GlobalLpPool", 1, GlobalLpPool.self),
        Row("", "GlobalMaxPool", 1, GlobalMaxPool.self),
        Row("", "LpPool", 1, LpPool.self),
        Row("", "MaxPool", 1, MaxPool.self),
        Row("", "MaxUnpool", 9, MaxUnpool.self),
    ]
}
