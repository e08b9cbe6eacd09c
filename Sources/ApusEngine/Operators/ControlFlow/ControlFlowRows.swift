extension OperatorTable {
    static let controlFlowRows: [Row] = []
}
