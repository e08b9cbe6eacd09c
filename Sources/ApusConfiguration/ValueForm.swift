/// Why a text is no value: what is allowed, as the end of a sentence ("… is "x", allowed: …").
struct ValueRefusal: Error {
    let allowed: String
}

/// How the values of a key are written: parsing, printing, and the words that describe them.
struct ValueForm<Value: Sendable>: Sendable {
    /// What stands for the value in help texts, e.g. `<port>`.
    let placeholder: String
    /// What is allowed, for people, e.g. `0 to 65535`.
    let allowed: String
    /// A flag of this form may stand alone and then means true; it may also be followed by one of
    /// `words`.
    var isBoolean = false
    var words: Set<String> = ["true", "false", "0", "1"]
    let parse: @Sendable (String) throws(ValueRefusal) -> Value
    let print: @Sendable (Value) -> String
}

extension ValueForm where Value == String {
    /// Any text without control characters; the file of defaults need not explain it.
    static func text(_ placeholder: String) -> Self {
        let allowed = "text"
        return Self(
            placeholder: placeholder, allowed: allowed,
            parse: { text throws(ValueRefusal) in
                guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f })
                else { throw ValueRefusal(allowed: allowed) }
                return text
            },
            print: { $0 })
    }
}

extension ValueForm where Value == Int {
    /// A decimal number in a range.
    static func integer(
        _ range: ClosedRange<Int>, placeholder: String = "<n>", meaningOfZero: String? = nil
    ) -> Self {
        let zero = meaningOfZero.map { "; 0 = \($0)" } ?? ""
        let allowed = "\(range.lowerBound) to \(range.upperBound)\(zero)"
        return Self(
            placeholder: placeholder, allowed: allowed,
            parse: { text throws(ValueRefusal) in
                guard let value = Int(text), range.contains(value) else {
                    throw ValueRefusal(allowed: allowed)
                }
                return value
            },
            print: { String($0) })
    }

    /// A number of bytes: `1048576`, `64MiB`, `2GB`.
    static func byteCount(_ range: ClosedRange<Int>, meaningOfZero: String? = nil) -> Self {
        let zero = meaningOfZero.map { "; 0 = \($0)" } ?? ""
        let low = ByteCountText.print(range.lowerBound)
        let high = ByteCountText.print(range.upperBound)
        let allowed = "bytes from \(low) to \(high), as 1048576 or 64MiB or 2GB\(zero)"
        return Self(
            placeholder: "<bytes>", allowed: allowed,
            parse: { text throws(ValueRefusal) in
                guard let value = ByteCountText.parse(text), range.contains(value) else {
                    throw ValueRefusal(allowed: allowed)
                }
                return value
            },
            print: { ByteCountText.print($0) })
    }
}

extension ValueForm where Value == Bool {
    static var boolean: Self {
        let allowed = "true or false"
        return Self(
            placeholder: "<true|false>", allowed: allowed, isBoolean: true,
            parse: { text throws(ValueRefusal) in
                switch text.lowercased() {
                case "true", "yes", "on", "1": return true
                case "false", "no", "off", "0": return false
                default: throw ValueRefusal(allowed: allowed)
                }
            },
            print: { $0 ? "true" : "false" })
    }
}

extension ValueForm where Value == Duration {
    /// A time: `250ms`, `30s`, `5m`, `2h`; a bare number is seconds.
    static func duration(_ range: ClosedRange<Duration>, meaningOfZero: String? = nil) -> Self {
        let zero = meaningOfZero.map { "; 0 = \($0)" } ?? ""
        let low = DurationText.print(range.lowerBound)
        let high = DurationText.print(range.upperBound)
        let allowed = "a time from \(low) to \(high), as 250ms, 30s, 5m or 2h\(zero)"
        return Self(
            placeholder: "<time>", allowed: allowed,
            parse: { text throws(ValueRefusal) in
                guard let value = DurationText.parse(text), range.contains(value) else {
                    throw ValueRefusal(allowed: allowed)
                }
                return value
            },
            print: { DurationText.print($0) })
    }
}

extension ValueForm
where Value: RawRepresentable & CaseIterable & Sendable, Value.RawValue == String {
    /// One of the cases of an enumeration, by name.
    static var choice: Self {
        let names = Value.allCases.map(\.rawValue)
        let allowed = names.joined(separator: ", ")
        return Self(
            placeholder: "<" + names.joined(separator: "|") + ">", allowed: allowed,
            parse: { text throws(ValueRefusal) in
                guard let value = Value(rawValue: text.lowercased()) else {
                    throw ValueRefusal(allowed: allowed)
                }
                return value
            },
            print: { $0.rawValue })
    }

    /// The same, for what used to be, or is elsewhere, a matter of true and false.
    static func choice(true positive: Value, false negative: Value) -> Self {
        let named = Self.choice
        let allowed =
            "\(named.allowed); true = \(positive.rawValue), false = \(negative.rawValue)"
        return Self(
            placeholder: named.placeholder, allowed: allowed, isBoolean: true,
            words: ValueForm<Bool>.boolean.words.union(Value.allCases.map(\.rawValue)),
            parse: { text throws(ValueRefusal) in
                if let value = Value(rawValue: text.lowercased()) { return value }
                do {
                    return try ValueForm<Bool>.boolean.parse(text) ? positive : negative
                } catch {
                    throw ValueRefusal(allowed: allowed)
                }
            },
            print: named.print)
    }
}
