extension OperatorTable {
    static let attentionRows: [Row] = []
}
