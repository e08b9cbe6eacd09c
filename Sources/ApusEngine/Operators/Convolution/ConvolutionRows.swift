extension OperatorTable {
    static let convolutionRows: [Row] = [
        Row("", "Conv", 1, Conv.self),
        Row("apus", "Conv", 1, Conv.self),
        Row("", "ConvTranspose", 1, ConvTranspose.self),
    ]
}
