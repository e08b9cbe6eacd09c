internal import ApusCore

/// Cuts texts into tokens: every match of an expression, what stands between separators, or single
/// characters.
///
/// - Shapes: `[C]` gives `[C, D]` and `[N, C]` gives `[N, C, D]`, where D is the number of tokens of
///   the text that has most; the others are filled up with `pad_value`. With `mark`, each text's
///   tokens stand between U+0002 and U+0003. D is 0 if no text has a token.
/// - Types: strings, which must be UTF-8. `mincharnum` is the least length of a token in scalars.
/// - Source: com.microsoft Tokenizer, version 1; expressions have RE2's syntax, and the longest of
///   the leftmost matches counts.
struct Tokenizer: ValueOperator {
    private enum Rule {
        case characters
        case matches(RegexProgram)
        case between([RegexProgram])
    }

    private let rule: Rule
    private let hasMarks: Bool
    private let padding: [UInt8]
    private let lengthMin: Int

    init(_ node: NodeReader) throws(EngineError) {
        hasMarks = try node.flag("mark")
        padding = try node.bytes("pad_value") ?? []
        lengthMin = try node.int("mincharnum", default: 1)
        guard lengthMin >= 1 else {
            throw node.fail("attribute \"mincharnum\" is \(lengthMin), expected 1 or more")
        }
        rule = try Self.rule(node)
        if case .characters = rule, lengthMin > 1 {
            throw node.fail("attribute \"mincharnum\" is \(lengthMin) for single characters")
        }
    }

    private static func rule(_ node: NodeReader) throws(EngineError) -> Rule {
        if let separators = try node.strings("separators"), !separators.isEmpty {
            if separators == [[]] { return .characters }
            var programs: [RegexProgram] = []
            for separator in separators {
                programs.append(try node.regex("separators", separator))
            }
            return .between(programs)
        }
        guard let expression = try node.bytes("tokenexp"), !expression.isEmpty else {
            throw node.fail("needs attribute \"separators\" or \"tokenexp\"")
        }
        if expression == Array(".".utf8) { return .characters }
        return .matches(try node.regex("tokenexp", expression))
    }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let input = try context.tensor(inputs, 0)
        guard let texts = input.strings, input.shape.count == 1 || input.shape.count == 2 else {
            throw context.fail(
                "the input is \(input.dataType) \(input.shape), expected strings [C] or [N, C]")
        }
        // Every character may become a token.
        try context.reserve(
            count: texts.reduce(0) { $0 + $1.count + 1 }, byteCount: MemoryLayout<Range<Int>>.stride
        )
        let cutter = makeCutter()
        var tokens: [[Range<Int>]] = []
        tokens.reserveCapacity(texts.count)
        for text in texts {
            try context.checkCancelled()
            guard text.withUnsafeBufferPointer({ UTF8Scalars.count($0) }) != nil else {
                throw context.fail("the input has text that is not UTF-8")
            }
            tokens.append(try cutter(text, context))
        }
        let longest = tokens.reduce(0) { max($0, $1.count) }
        let width = longest == 0 ? 0 : longest + (hasMarks ? 2 : 0)
        let (count, overflow) = texts.count.multipliedReportingOverflow(by: width)
        guard !overflow else { throw context.fail("its texts have too many tokens") }
        try context.reserve(count: count, byteCount: 8)
        try context.reserve(
            byteCount: zip(texts, tokens).reduce(0) { total, pair in
                total + pair.1.reduce(0) { $0 + Tensor.heldByteCount(ofString: $1.count) }
            })
        var result: [[UInt8]] = []
        result.reserveCapacity(count)
        if width > 0 {
            for (text, tokens) in zip(texts, tokens) {
                try context.checkCancelled()
                let end = result.count + width
                if hasMarks { result.append([0x02]) }
                for token in tokens { result.append(Array(text[token])) }
                if hasMarks { result.append([0x03]) }
                while result.count < end { result.append(padding) }
            }
        }
        return [try context.make(input.shape + [width], strings: result)]
    }

    /// A function from a text, which is UTF-8, to its tokens' places.
    private func makeCutter() -> ([UInt8], EvaluationContext) throws(EngineError) -> [Range<Int>] {
        switch rule {
        case .characters: return Self.characters
        case .matches(let program):
            let search = RegexSearch(program)
            return { text, context throws(EngineError) in
                try matches(text, search, context)
            }
        case .between(let programs):
            let searches = programs.map { RegexSearch($0) }
            return { text, context throws(EngineError) in
                var parts = [0..<text.count]
                for search in searches {
                    var smaller: [Range<Int>] = []
                    for part in parts {
                        smaller += try split(text, part, search, context)
                    }
                    parts = smaller
                }
                return parts
            }
        }
    }

    private static func characters(
        _ text: [UInt8], _ context: EvaluationContext
    ) throws(EngineError) -> [Range<Int>] {
        var result: [Range<Int>] = []
        result.reserveCapacity(text.count)
        for index in text.indices where text[index] & 0xC0 != 0x80 {
            if let last = result.last { result[result.count - 1] = last.lowerBound..<index }
            result.append(index..<text.count)
        }
        return result
    }

    private func matches(
        _ text: [UInt8], _ search: RegexSearch, _ context: EvaluationContext
    ) throws(EngineError) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var start = 0
        search.begin(byteCount: text.count)
        while let match = try search.longestMatch(in: text, 0..<text.count, from: start, context) {
            if isLongEnough(text, match) {
                result.append(match)
                start = match.upperBound
            } else {
                start = Self.next(text, match.lowerBound)
            }
            if start > text.count { break }
        }
        return result
    }

    private func split(
        _ text: [UInt8], _ part: Range<Int>, _ search: RegexSearch, _ context: EvaluationContext
    ) throws(EngineError) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var start = part.lowerBound
        search.begin(byteCount: part.count)
        while let match = try search.longestMatch(in: text, part, from: start, context) {
            let token = start..<match.lowerBound
            if isLongEnough(text, token) { result.append(token) }
            // An empty separator takes the character that it stands before.
            start = match.isEmpty ? Self.next(text, match.lowerBound) : match.upperBound
            if start > part.upperBound { return result }
        }
        let rest = start..<part.upperBound
        if isLongEnough(text, rest) { result.append(rest) }
        return result
    }

    private func isLongEnough(_ text: [UInt8], _ token: Range<Int>) -> Bool {
        if token.count < lengthMin { return false }
        if lengthMin == 1 { return true }
        return text[token].count { $0 & 0xC0 != 0x80 } >= lengthMin
    }

    /// Where the scalar after the one at `index` starts; behind the end at the end.
    private static func next(_ text: [UInt8], _ index: Int) -> Int {
        var next = index + 1
        while next < text.count, text[next] & 0xC0 == 0x80 { next += 1 }
        return next
    }
}

extension NodeReader {
    /// The compiled expression of an attribute.
    func regex(_ name: String, _ pattern: [UInt8]) throws(EngineError) -> RegexProgram {
        do { return try RegexProgram(pattern: pattern) } catch {
            throw fail(
                "attribute \"\(name)\" is the expression "
                    + "\"\(String(decoding: pattern.prefix(200), as: UTF8.self))\": \(error.reason)"
            )
        }
    }
}

extension Tokenizer: ShapedValueOperator, RowFactOperator {
    /// A length that no other dimension has: how many tokens there are depends on the texts.
    private static let tokenCount = 8191

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [PlannedTensor(.string, try inputs.shape(0) + [Self.tokenCount])]
    }

    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] { [node.rows(0)] }

    func fact(through node: RowNode) throws(RowMixing) -> RowFact? {
        if let fact = node.fact(0) { throw RowMixing(fact.reason) }
        return .padded(with: padding)
    }
}
