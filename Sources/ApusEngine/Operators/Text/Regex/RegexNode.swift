/// A regular expression as a tree. Groups are gone: what matters is which texts match.
indirect enum RegexNode: Sendable {
    case empty
    case set(ScalarSet)
    case assertion(RegexAssertion)
    case sequence([RegexNode])
    case choice([RegexNode])
    /// - `max`: nil for no limit.
    case repeated(RegexNode, min: Int, max: Int?)
}

/// What must hold between two characters.
enum RegexAssertion: UInt8, Sendable {
    case textStart
    case textEnd
    case lineStart
    case lineEnd
    case wordBoundary
    case noWordBoundary

    /// Whether it holds before byte `index` of `text`.
    func holds(_ text: UnsafeBufferPointer<UInt8>, _ index: Int) -> Bool {
        switch self {
        case .textStart: index == 0
        case .textEnd: index == text.count
        case .lineStart: index == 0 || text[index - 1] == 10
        case .lineEnd: index == text.count || text[index] == 10
        case .wordBoundary: Self.isAtBoundary(text, index)
        case .noWordBoundary: !Self.isAtBoundary(text, index)
        }
    }

    private static func isAtBoundary(_ text: UnsafeBufferPointer<UInt8>, _ index: Int) -> Bool {
        let before = index > 0 && isWord(text[index - 1])
        let after = index < text.count && isWord(text[index])
        return before != after
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        byte == 95 || byte &- 48 < 10 || (byte | 0x20) &- 97 < 26
    }
}

/// Why an expression is refused.
struct RegexError: Error {
    let reason: String
}
