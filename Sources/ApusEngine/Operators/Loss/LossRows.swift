extension OperatorTable {
    static let lossRows: [Row] = [
        Row("", "NegativeLogLikelihoodLoss", 12, NegativeLogLikelihoodLoss.self),
        Row("", "SoftmaxCrossEntropyLoss", 12, SoftmaxCrossEntropyLoss.self),
    ]
}
