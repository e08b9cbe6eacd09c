extension OperatorTable {
    static let controlFlowRows: [Row] = [
        Row("", "If", 1, If.self),
        Row("", "Loop", 1, Loop.self),
        Row("", "Scan", 8, Scan.self),
        Row("", "SequenceMap", 17, SequenceMap.self),
    ]
}
