extension OperatorTable {
    static let machineLearningRows: [Row] = []
}
