extension OperatorTable {
    static let convolutionRows: [Row] = [
        Row("", "CausalConvWithState", 27, CausalConvWithState.self),
        Row("", "Conv", 1, Conv.self),
        Row("apus", "Conv", 1, Conv.self),
        Row("", "ConvInteger", 10, ConvInteger.self),
        Row("", "ConvTranspose", 1, ConvTranspose.self),
        Row("", "DeformConv", 19, DeformConv.self),
        Row("", "QLinearConv", 10, QLinearConv.self),
    ]
}
