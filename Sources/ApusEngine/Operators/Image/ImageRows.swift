extension OperatorTable {
    static let imageRows: [Row] = []
}
