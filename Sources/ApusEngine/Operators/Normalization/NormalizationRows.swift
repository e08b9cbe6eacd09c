extension OperatorTable {
    static let normalizationRows: [Row] = []
}
