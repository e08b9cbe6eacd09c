extension OperatorTable {
    static let recurrentRows: [Row] = []
}
