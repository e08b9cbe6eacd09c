extension OperatorTable {
    static let reductionRows: [Row] = [
        Row("", "ArgMax", 1, ArgExtreme.self),
        Row("", "ArgMin", 1, ArgExtreme.self),
        Row("", "ReduceL1", 1, Reduce<L1Reduction>.self),
        Row("", "ReduceL2", 1, Reduce<L2Reduction>.self),
        Row("", "ReduceLogSum", 1, Reduce<LogSumReduction>.self),
        Row("", "ReduceLogSumExp", 1, ReduceLogSumExp.self),
        Row("", "ReduceMax", 1, Reduce<MaxReduction>.self),
        Row("", "ReduceMean", 1, Reduce<MeanReduction>.self),
        Row("", "ReduceMin", 1, Reduce<MinReduction>.self),
        Row("", "ReduceProd", 1, Reduce<ProdReduction>.self),
        Row("", "ReduceSum", 1, Reduce<SumReduction>.self),
        Row("", "ReduceSumSquare", 1, Reduce<SumSquareReduction>.self),
    ]
}
