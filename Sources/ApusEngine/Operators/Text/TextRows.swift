extension OperatorTable {
    static let textRows: [Row] = []
}
