internal import ApusCore

/// The values of a map in the order of a vocabulary of keys; zeros (or empty strings) for keys that
/// it lacks.
///
/// - Shapes: the result is `[1, vocabulary]` of the map's value type.
/// - Source: ai.onnx.ml DictVectorizer, version 1.
struct DictVectorizer: ValueOperator {
    private let numbers: [Int64]
    private let texts: [[UInt8]]

    init(_ node: NodeReader) throws(EngineError) {
        numbers = (try node.ints("int64_vocabulary") ?? []).map { Int64($0) }
        texts = try node.strings("string_vocabulary") ?? []
        guard numbers.isEmpty != texts.isEmpty else {
            throw node.fail(
                "one of \"int64_vocabulary\" and \"string_vocabulary\" must give the keys")
        }
    }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let (keys, values) = try context.map(inputs, 0)
        let positions: [Int?]
        if let strings = keys.strings, !texts.isEmpty {
            positions = Self.positions(texts, strings)
        } else if keys.dataType == .int64, !numbers.isEmpty {
            positions = Self.positions(numbers, keys.elements(as: Int64.self))
        } else {
            throw context.fail("the map's keys are \(keys.dataType), its vocabulary is not")
        }
        let shape = [1, positions.count]
        if let strings = values.strings {
            return [
                try context.make(shape, strings: positions.map { $0.map { strings[$0] } ?? [] })
            ]
        }
        let width = values.dataType.byteCount ?? 1
        var bytes = [UInt8](repeating: 0, count: positions.count * width)
        values.bytes?.withUnsafeBytes { source in
            for (target, position) in positions.enumerated() {
                guard let position else { continue }
                for i in 0..<width { bytes[target * width + i] = source[position * width + i] }
            }
        }
        let made = bytes
        return [.tensor(try context.naming { try Tensor(values.dataType, shape, made) })]
    }

    /// For each word of the vocabulary its position among the keys.
    private static func positions<Key: Hashable>(_ vocabulary: [Key], _ keys: [Key]) -> [Int?] {
        let index = Dictionary(
            keys.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        return vocabulary.map { index[$0] }
    }
}
