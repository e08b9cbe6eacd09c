extension OperatorTable {
    static let quantizationRows: [Row] = [
        Row("", "DequantizeLinear", 10, DequantizeLinear.self),
        Row("", "DynamicQuantizeLinear", 11, DynamicQuantizeLinear.self),
        Row("", "QuantizeLinear", 10, QuantizeLinear.self),
    ]
}
