extension OperatorTable {
    static let denseRows: [Row] = []
}
