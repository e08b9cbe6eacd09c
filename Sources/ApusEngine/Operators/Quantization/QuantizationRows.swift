extension OperatorTable {
    static let quantizationRows: [Row] = []
}
