/// A place in a pattern.
struct RegexReader {
    private let scalars: [Unicode.Scalar]
    private var index = 0

    init(_ pattern: [UInt8]) {
        scalars = Array(String(decoding: pattern, as: UTF8.self).unicodeScalars)
    }

    var isAtEnd: Bool { index >= scalars.count }

    /// The scalar `offset` places ahead.
    func peek(_ offset: Int = 0) -> Unicode.Scalar? {
        index + offset < scalars.count ? scalars[index + offset] : nil
    }

    mutating func next() -> Unicode.Scalar? {
        guard let scalar = peek() else { return nil }
        index += 1
        return scalar
    }

    /// Moves behind `text`, if it follows.
    mutating func skip(_ text: String) -> Bool {
        var offset = 0
        for scalar in text.unicodeScalars {
            guard peek(offset) == scalar else { return false }
            offset += 1
        }
        index += offset
        return true
    }

    /// The next characters, for a message.
    func rest(_ count: Int) -> String {
        var result = ""
        result.unicodeScalars.append(contentsOf: scalars[index...].prefix(count))
        return result
    }

    /// `{n}`, `{n,}` or `{n,m}`; nil, and the place is kept, if none follows.
    mutating func repetitionCounts() -> (Int, Int?)? {
        let start = self
        if skip("{"), let minimum = number() {
            if skip("}") { return (minimum, minimum) }
            if skip(",") {
                if skip("}") { return (minimum, nil) }
                if let maximum = number(), skip("}") { return (minimum, maximum) }
            }
        }
        self = start
        return nil
    }

    /// A decimal number, no larger than a million.
    private mutating func number() -> Int? {
        var result: Int?
        while let digit = peek(), ("0"..."9").contains(digit) {
            index += 1
            result = min((result ?? 0) * 10 + Int(digit.value - 48), 1_000_000)
        }
        return result
    }

    /// Up to two more octal digits.
    mutating func octal(first: UInt32) -> UInt32 {
        var value = first
        for _ in 0..<2 {
            guard let digit = peek(), ("0"..."7").contains(digit) else { break }
            index += 1
            value = value * 8 + digit.value - 48
        }
        return value
    }

    /// Two hexadecimal digits, or any in braces; nil if they do not name a scalar.
    mutating func hexadecimal() -> UInt32? {
        let isBraced = skip("{")
        var value: UInt32 = 0
        var count = 0
        while isBraced || count < 2, let digit = peek().flatMap({ Character($0).hexDigitValue }),
            peek()?.isASCII == true
        {
            index += 1
            value = value * 16 + UInt32(digit)
            count += 1
            guard value <= ScalarSet.last else { return nil }
        }
        let isWhole = isBraced ? count > 0 && skip("}") : count == 2
        return isWhole ? value : nil
    }
}
