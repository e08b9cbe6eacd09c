extension OperatorTable {
    static let indexingRows: [Row] = [
        Row("", "Compress", 9, Compress.self),
        Row("", "Gather", 1, Gather.self),
        Row("", "GatherElements", 11, GatherElements.self),
        Row("", "GatherND", 11, GatherND.self),
        Row("", "NonZero", 9, NonZero.self),
        Row("", "OneHot", 9, OneHot.self),
        Row("", "Scatter", 9, ScatterElements.self),
        Row("", "ScatterElements", 11, ScatterElements.self),
        Row("", "ScatterND", 11, ScatterND.self),
        Row("", "TensorScatter", 24, TensorScatter.self),
    ]
}
