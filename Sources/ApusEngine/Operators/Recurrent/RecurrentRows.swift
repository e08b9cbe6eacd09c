extension OperatorTable {
    static let recurrentRows: [Row] = [
        Row("", "GRU", 1, GRU.self),
        Row("", "LSTM", 1, LSTM.self),
        Row("", "RNN", 1, RNN.self),
    ]
}
