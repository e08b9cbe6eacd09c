/// Escapes and bracketed classes.
extension RegexParser {
    /// What follows a backslash outside of brackets.
    mutating func escape() throws(RegexError) -> RegexNode {
        if reader.skip("A") { return .assertion(.textStart) }
        if reader.skip("z") { return .assertion(.textEnd) }
        if reader.skip("b") { return .assertion(.wordBoundary) }
        if reader.skip("B") { return .assertion(.noWordBoundary) }
        if let set = try escapedClass() { return .set(set) }
        let scalar = try escapedScalar()
        let set = ScalarSet([scalar...scalar])
        return .set(flags.ignoresCase ? set.foldingCase : set)
    }

    /// `\d`, `\pL` and the like; nil if none follows the backslash.
    private mutating func escapedClass() throws(RegexError) -> ScalarSet? {
        guard let letter = reader.peek() else { return nil }
        if letter == "p" || letter == "P" {
            _ = reader.next()
            return try unicodeClass(isInverted: letter == "P")
        }
        guard letter.isASCII, let set = ScalarSet.perl(UInt8(ascii: letter) | 0x20) else {
            return nil
        }
        _ = reader.next()
        return folded(set, isInverted: letter.value & 0x20 == 0)
    }

    private func folded(_ set: ScalarSet, isInverted: Bool) -> ScalarSet {
        let set = flags.ignoresCase ? set.foldingCase : set
        return isInverted ? set.inverted : set
    }

    /// What follows `\p`.
    private mutating func unicodeClass(isInverted: Bool) throws(RegexError) -> ScalarSet {
        var name = ""
        if reader.skip("{") {
            while let scalar = reader.next(), scalar != "}" { name.unicodeScalars.append(scalar) }
        } else if let scalar = reader.next() {
            name.unicodeScalars.append(scalar)
        }
        var isInverted = isInverted
        if name.hasPrefix("^") {
            name.removeFirst()
            isInverted.toggle()
        }
        guard let set = ScalarSet.category(name) else {
            throw RegexError(
                reason: "\\p{\(name.prefix(30))} is none of Unicode's general categories")
        }
        return folded(set, isInverted: isInverted)
    }

    /// The character that an escape stands for.
    private mutating func escapedScalar() throws(RegexError) -> UInt32 {
        guard let scalar = reader.next() else { throw RegexError(reason: "it ends with \\") }
        switch scalar {
        case "a": return 7
        case "f": return 12
        case "n": return 10
        case "r": return 13
        case "t": return 9
        case "v": return 11
        case "0": return reader.octal(first: 0)
        case "1"..."7":
            if let next = reader.peek(), ("0"..."7").contains(next) {
                return reader.octal(first: scalar.value - 48)
            }
            throw RegexError(reason: "\\\(scalar) refers back to a group, which RE2 cannot")
        case "x":
            guard let value = reader.hexadecimal() else {
                throw RegexError(reason: "\\x must be followed by two digits or {…}")
            }
            return value
        default:
            let isWord = ScalarSet.posix("alnum")?.contains(scalar.value) ?? true
            guard scalar.isASCII, !isWord else {
                throw RegexError(reason: "\\\(scalar) is not in RE2's syntax")
            }
            return scalar.value
        }
    }

    /// What follows `[`, up to its `]`.
    mutating func bracket() throws(RegexError) -> ScalarSet {
        let isInverted = reader.skip("^")
        var ranges: [ClosedRange<UInt32>] = []
        var isFirst = true
        while isFirst || reader.peek() != "]" {
            isFirst = false
            guard !reader.isAtEnd else { throw RegexError(reason: "a [ is never closed") }
            if let set = try namedClass() {
                ranges += set.ranges
                continue
            }
            let low = try bracketScalar()
            guard reader.peek() == "-", reader.peek(1) != "]" else {
                ranges.append(low...low)
                continue
            }
            _ = reader.next()
            let high = try bracketScalar()
            guard low <= high else { throw RegexError(reason: "a range in [ ] is upside down") }
            ranges.append(low...high)
        }
        _ = reader.next()
        return folded(ScalarSet(ranges), isInverted: isInverted)
    }

    /// `[:alpha:]`, `\d` or `\pL` inside brackets; nil if none follows.
    private mutating func namedClass() throws(RegexError) -> ScalarSet? {
        let start = reader
        if reader.skip("[:") {
            let isInverted = reader.skip("^")
            var name = ""
            while let scalar = reader.next(), scalar != ":", name.utf8.count < 16 {
                name.unicodeScalars.append(scalar)
            }
            if reader.skip("]") {
                guard let set = ScalarSet.posix(name) else {
                    throw RegexError(reason: "there is no class [:\(name):]")
                }
                return folded(set, isInverted: isInverted)
            }
            reader = start
        }
        guard reader.skip("\\") else { return nil }
        if let set = try escapedClass() { return set }
        reader = start
        return nil
    }

    private mutating func bracketScalar() throws(RegexError) -> UInt32 {
        if reader.skip("\\") { return try escapedScalar() }
        guard let scalar = reader.next() else { throw RegexError(reason: "a [ is never closed") }
        return scalar.value
    }
}
