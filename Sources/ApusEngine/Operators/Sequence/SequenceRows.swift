extension OperatorTable {
    static let sequenceRows: [Row] = []
}
