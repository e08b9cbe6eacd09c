extension OperatorTable {
    static let lossRows: [Row] = []
}
