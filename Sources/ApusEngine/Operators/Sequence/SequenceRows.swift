extension OperatorTable {
    static let sequenceRows: [Row] = [
        Row("", "ConcatFromSequence", 11, ConcatFromSequence.self),
        Row("", "Optional", 15, OptionalOperator.self),
        Row("", "OptionalGetElement", 15, OptionalGetElement.self),
        Row("", "OptionalHasElement", 15, OptionalHasElement.self),
        Row("", "SequenceAt", 11, SequenceAt.self),
        Row("", "SequenceConstruct", 11, SequenceConstruct.self),
        Row("", "SequenceEmpty", 11, SequenceEmpty.self),
        Row("", "SequenceErase", 11, SequenceErase.self),
        Row("", "SequenceInsert", 11, SequenceInsert.self),
        Row("", "SequenceLength", 11, SequenceLength.self),
        Row("", "SplitToSequence", 11, SplitToSequence.self),
    ]
}
