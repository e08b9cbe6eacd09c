/// Which texts may stand in YAML without quotes, and what a plain scalar means.
enum YAMLScalarText {
    /// What a plain scalar stands for.
    enum Meaning: Equatable {
        case null
        case bool(Bool)
        /// A number whose text is valid in JSON as it stands.
        case number(String)
        case text
    }

    /// - Source: YAML 1.2 core schema (10.3.2), without octal numbers, infinities and NaN, which
    ///   JSON cannot say.
    static func meaning(ofPlain text: String) -> Meaning {
        switch text {
        case "", "~", "null", "Null", "NULL": .null
        case "true", "True", "TRUE": .bool(true)
        case "false", "False", "FALSE": .bool(false)
        default: jsonNumber(text).map(Meaning.number) ?? .text
        }
    }

    /// The text as a JSON number: `+5` becomes `5`, `.5` becomes `0.5`, `0x1F` becomes `31`.
    private static func jsonNumber(_ text: String) -> String? {
        if text.hasPrefix("0x") {
            return UInt64(text.dropFirst(2), radix: 16).map { String($0) }
        }
        var rest = Substring(text)
        let isNegative = rest.first == "-"
        if isNegative || rest.first == "+" { rest = rest.dropFirst() }
        let whole = rest.prefix { $0.isASCII && $0.isNumber }
        rest = rest.dropFirst(whole.count)
        var fraction: Substring?
        if rest.first == "." {
            fraction = rest.dropFirst().prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(1 + (fraction?.count ?? 0))
        }
        guard !whole.isEmpty || fraction?.isEmpty == false else { return nil }
        var exponent = ""
        if rest.first == "e" || rest.first == "E" {
            exponent = String(rest)
            let digits = rest.dropFirst().drop { $0 == "+" || $0 == "-" }
            guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }),
                rest.count - digits.count <= 2
            else { return nil }
            rest = ""
        }
        guard rest.isEmpty else { return nil }
        let significant = whole.drop { $0 == "0" }
        let integer = significant.isEmpty ? "0" : String(significant)
        let decimals = fraction.map { $0.isEmpty ? "" : ".\($0)" } ?? ""
        return (isNegative ? "-" : "") + integer + decimals + exponent
    }

    /// The text as a YAML scalar that reads back as the same text: in quotes where it must be.
    static func quotedIfNeeded(_ text: String) -> String {
        let isSafe = text.unicodeScalars.allSatisfy { scalar in
            scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
                || "_-./:*".unicodeScalars.contains(scalar)
        }
        let beginsSafely = text.first.map { !"-:*".contains($0) || text.count > 1 } ?? false
        let isAlias = text.hasPrefix("*") || text.hasPrefix("- ") || text.hasSuffix(":")
        return isSafe && beginsSafely && !isAlias ? text : JSONText.quoted(text)
    }
}

/// JSON strings.
enum JSONText {
    /// The text in quotes, escaped; also valid as a double-quoted YAML scalar.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
