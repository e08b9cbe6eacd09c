extension OperatorTable {
    static let normalizationRows: [Row] = [
        Row("", "BatchNormalization", 1, BatchNormalization.self),
        Row("", "Dropout", 1, Dropout.self),
        Row("", "GroupNormalization", 18, GroupNormalization.self),
        Row("", "Hardmax", 1, LineOperator<Hardmax>.self),
        Row("", "InstanceNormalization", 1, GroupNormalization.self),
        Row("", "LRN", 1, LineOperator<LRN>.self),
        Row("", "LayerNormalization", 17, LayerNormalization.self),
        Row("", "LogSoftmax", 1, LineOperator<LogSoftmax>.self),
        Row("", "LpNormalization", 1, LineOperator<LpNormalization>.self),
        Row("", "MeanVarianceNormalization", 9, MeanVarianceNormalization.self),
        Row("", "RMSNormalization", 23, LayerNormalization.self),
        Row("", "Softmax", 1, LineOperator<Softmax>.self),
    ]
}
