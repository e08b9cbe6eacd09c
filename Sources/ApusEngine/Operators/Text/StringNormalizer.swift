internal import ApusCore

/// Drops stop words and changes the case of the others.
///
/// - Shapes: `[C]` gives `[K]` and `[1, C]` gives `[1, K]`, where K words remain; one empty string if
///   none does. Without stop words the input may have any shape.
/// - Types: strings. `locale` is not used: case follows Unicode's simple mappings.
/// - Throws: at run time for text that is not UTF-8 where its case must be changed.
/// - Source: ONNX StringNormalizer, opset 10.
struct StringNormalizer: ValueOperator {
    private let change: LetterCase?
    /// How words are changed before they are compared with `stopWords`, which are changed already.
    private let comparison: LetterCase?
    private let stopWords: Set<[UInt8]>

    init(_ node: NodeReader) throws(EngineError) {
        let action = try node.string("case_change_action", default: "NONE")
        switch action {
        case "NONE": change = nil
        case "LOWER": change = .lower
        case "UPPER": change = .upper
        default:
            throw node.fail(
                "attribute \"case_change_action\" is \"\(action)\", not NONE, LOWER or UPPER")
        }
        comparison = try node.flag("is_case_sensitive") ? nil : change ?? .lower
        var words: Set<[UInt8]> = []
        for word in try node.strings("stopwords") ?? [] {
            guard let word = Self.apply(comparison, word) else {
                throw node.fail("attribute \"stopwords\" has a word that is not UTF-8")
            }
            words.insert(word)
        }
        stopWords = words
    }

    private static func apply(_ change: LetterCase?, _ text: [UInt8]) -> [UInt8]? {
        guard let change else { return text }
        return change.changed(text)
    }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let input = try context.tensor(inputs, 0)
        guard var words = input.strings else { throw context.fail("input 0 must be strings") }
        // A letter of another case may take more bytes.
        try context.reserve(count: input.heldByteCount, byteCount: 3)
        var shape = input.shape
        if !stopWords.isEmpty {
            guard shape.count == 1 || shape.count == 2 && shape[0] == 1 else {
                throw context.fail("the input is \(shape), expected [C] or [1, C] with stop words")
            }
            words = try remaining(words, context)
            if words.isEmpty { words = [[]] }
            shape[shape.count - 1] = words.count
        }
        if change != nil {
            for index in words.indices {
                words[index] = try changed(change, words[index], context)
            }
        }
        return [try context.make(shape, strings: words)]
    }

    private func remaining(
        _ words: [[UInt8]], _ context: EvaluationContext
    ) throws(EngineError) -> [[UInt8]] {
        var result: [[UInt8]] = []
        for word in words
        where !stopWords.contains(try changed(comparison, word, context)) {
            result.append(word)
        }
        return result
    }

    private func changed(
        _ change: LetterCase?, _ word: [UInt8], _ context: EvaluationContext
    ) throws(EngineError) -> [UInt8] {
        try context.checkCancelled()
        guard let word = Self.apply(change, word) else {
            throw context.fail("the input has text that is not UTF-8")
        }
        return word
    }
}

extension StringNormalizer: ShapedValueOperator {
    /// Of a normalizer without stop words, which changes each text alone.
    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [try inputs.tensor(0)]
    }

    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        guard stopWords.isEmpty || node.rows(0) == nil else {
            throw RowMixing("drops words from the batch")
        }
        return [node.rows(0)]
    }
}
