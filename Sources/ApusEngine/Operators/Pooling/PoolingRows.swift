extension OperatorTable {
    static let poolingRows: [Row] = []
}
