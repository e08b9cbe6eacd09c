extension OperatorTable {
    static let textRows: [Row] = [
        Row("", "RegexFullMatch", 20, RegexFullMatch.self),
        Row("", "StringConcat", 20, StringConcat.self),
        Row("", "StringNormalizer", 10, StringNormalizer.self),
        Row("", "StringSplit", 20, StringSplit.self),
        Row("", "TfIdfVectorizer", 9, TfIdfVectorizer.self),
        Row("com.microsoft", "Tokenizer", 1, Tokenizer.self),
    ]
}
