extension OperatorTable {
    static let convolutionRows: [Row] = []
}
