extension OperatorTable {
    static let attentionRows: [Row] = [
        Row("", "Attention", 23, Attention.self),
        Row("ai.onnx.preview", "FlexAttention", 1, FlexAttention.self),
        Row("", "LinearAttention", 27, LinearAttention.self),
        Row("", "RotaryEmbedding", 23, RotaryEmbedding.self),
    ]
}
