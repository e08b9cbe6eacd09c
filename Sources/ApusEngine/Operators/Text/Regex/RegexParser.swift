/// Reads a regular expression in RE2's syntax. Parsing time is linear in the pattern's length.
///
/// - Source: https://github.com/google/re2/wiki/Syntax; `\C` and scripts (`\p{Greek}`) are refused.
struct RegexParser {
    /// Flags that `(?ims)` switches.
    struct Flags {
        /// `i`: letters match in either case.
        var ignoresCase = false
        /// `m`: `^` and `$` match at lines.
        var isMultiLine = false
        /// `s`: `.` matches `\n`.
        var dotMatchesNewline = false
    }

    static let patternByteCountMax = 65_536
    static let depthMax = 250
    static let repetitionMax = 1000

    var reader: RegexReader
    var flags = Flags()
    private var depth = 0

    /// - Throws: for a pattern that is not UTF-8 or breaks the syntax.
    static func parse(_ pattern: [UInt8]) throws(RegexError) -> RegexNode {
        guard pattern.count <= patternByteCountMax else {
            throw RegexError(reason: "it is longer than \(patternByteCountMax) bytes")
        }
        guard pattern.withUnsafeBufferPointer({ UTF8Scalars.count($0) }) != nil else {
            throw RegexError(reason: "it is not UTF-8")
        }
        var parser = RegexParser(reader: RegexReader(pattern))
        let node = try parser.choice()
        guard parser.reader.isAtEnd else { throw RegexError(reason: "there is a ) too many") }
        return node
    }

    private init(reader: RegexReader) { self.reader = reader }

    /// Alternatives, up to `)` or the end.
    private mutating func choice() throws(RegexError) -> RegexNode {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthMax else { throw RegexError(reason: "it nests too deep") }
        var branches = [try sequence()]
        while reader.skip("|") { branches.append(try sequence()) }
        return branches.count == 1 ? branches[0] : .choice(branches)
    }

    private mutating func sequence() throws(RegexError) -> RegexNode {
        var parts: [RegexNode] = []
        while let next = reader.peek(), next != "|", next != ")" {
            try item(&parts)
        }
        return parts.count == 1 ? parts[0] : parts.isEmpty ? .empty : .sequence(parts)
    }

    /// One item with its repetition.
    private mutating func item(_ parts: inout [RegexNode]) throws(RegexError) {
        if reader.skip("\\Q") {
            while !reader.isAtEnd, !reader.skip("\\E") {
                if let scalar = reader.next() { parts.append(literal(scalar)) }
            }
        } else if reader.repetitionCounts() != nil {
            throw RegexError(reason: "there is nothing to repeat")
        } else if let node = try atom() {
            parts.append(node)
        } else {
            return
        }
        guard let (minimum, maximum) = try repetition() else { return }
        guard let last = parts.popLast() else {
            throw RegexError(reason: "there is nothing to repeat")
        }
        parts.append(.repeated(last, min: minimum, max: maximum))
        let start = reader
        if try repetition() != nil {
            throw RegexError(reason: "\"\(start.rest(3))\" repeats a repetition")
        }
    }

    /// What stands for itself, a class, an assertion or a group; nil for flags alone.
    private mutating func atom() throws(RegexError) -> RegexNode? {
        guard let scalar = reader.next() else { return nil }
        switch scalar {
        case ".":
            return .set(flags.dotMatchesNewline ? .all : ScalarSet([10...10]).inverted)
        case "^": return .assertion(flags.isMultiLine ? .lineStart : .textStart)
        case "$": return .assertion(flags.isMultiLine ? .lineEnd : .textEnd)
        case "(": return try group()
        case "[": return .set(try bracket())
        case "\\": return try escape()
        case "*", "+", "?": throw RegexError(reason: "there is nothing before \"\(scalar)\"")
        default: return literal(scalar)
        }
    }

    private func literal(_ scalar: Unicode.Scalar) -> RegexNode {
        let set = ScalarSet([scalar.value...scalar.value])
        return .set(flags.ignoresCase ? set.foldingCase : set)
    }

    private mutating func group() throws(RegexError) -> RegexNode? {
        let outer = flags
        if reader.skip("?") {
            if reader.skip("P<") || reader.skip("<") {
                try groupName()
            } else if try !groupFlags() {
                // `(?i)`: the flags hold up to the end of the group around it.
                return nil
            }
        }
        let node = try choice()
        guard reader.skip(")") else { throw RegexError(reason: "a ( is never closed") }
        flags = outer
        return node
    }

    private mutating func groupName() throws(RegexError) {
        var isEmpty = true
        while let scalar = reader.next() {
            if scalar == ">", !isEmpty { return }
            guard ScalarSet.posix("word")?.contains(scalar.value) == true else { break }
            isEmpty = false
        }
        throw RegexError(reason: "a group's name is wrong")
    }

    /// Flags behind `(?`; whether a group follows them.
    private mutating func groupFlags() throws(RegexError) -> Bool {
        var isOn = true
        var count = 0
        while let scalar = reader.next() {
            switch scalar {
            case "i": flags.ignoresCase = isOn
            case "m": flags.isMultiLine = isOn
            case "s": flags.dotMatchesNewline = isOn
            // Whether a repetition takes much or little does not change which texts match.
            case "U": break
            case "-" where isOn:
                isOn = false
                count = 0
                continue
            case ":" where isOn || count > 0: return true
            case ")" where isOn || count > 0: return false
            default: throw RegexError(reason: "\"(?\" with \"\(scalar)\" is not in RE2's syntax")
            }
            count += 1
        }
        throw RegexError(reason: "a ( is never closed")
    }

    /// `*`, `+`, `?`, `{n}`, `{n,}` or `{n,m}`; nil if there is none. `{` without numbers is a
    /// character.
    private mutating func repetition() throws(RegexError) -> (Int, Int?)? {
        let bounds: (Int, Int?)
        if reader.skip("*") {
            bounds = (0, nil)
        } else if reader.skip("+") {
            bounds = (1, nil)
        } else if reader.skip("?") {
            bounds = (0, 1)
        } else if let counted = reader.repetitionCounts() {
            bounds = counted
        } else {
            return nil
        }
        let (minimum, maximum) = bounds
        guard max(minimum, maximum ?? 0) <= Self.repetitionMax, minimum <= maximum ?? minimum else {
            throw RegexError(
                reason: "it repeats {\(minimum),\(maximum.map { "\($0)" } ?? "")}; allowed are up "
                    + "to \(Self.repetitionMax), the smaller number first")
        }
        _ = reader.skip("?")
        return bounds
    }
}
