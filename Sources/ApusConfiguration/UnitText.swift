/// Numbers of bytes as people write them. `KiB`, `MiB`, `GiB` are powers of 1024; `KB`, `MB`, `GB`
/// powers of 1000; a bare number is bytes.
enum ByteCountText {
    private static let units: [(name: String, factor: Int)] = [
        ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10),
        ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000), ("B", 1),
    ]

    /// - Returns: nil if the text is no such number or does not fit 64 bits.
    static func parse(_ text: String) -> Int? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int(digits) else { return nil }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }.lowercased()
        guard !unit.isEmpty else { return number }
        guard let factor = units.first(where: { $0.name.lowercased() == unit })?.factor else {
            return nil
        }
        let (value, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow ? nil : value
    }

    /// The shortest exact text in binary units.
    static func print(_ byteCount: Int) -> String {
        let exact = units.prefix(3).first {
            byteCount != 0 && byteCount.isMultiple(of: $0.factor)
        }
        return exact.map { "\(byteCount / $0.factor)\($0.name)" } ?? String(byteCount)
    }
}

/// Times as people write them: a number with `us`, `ms`, `s`, `m` or `h`; a bare number is seconds.
enum DurationText {
    private static let units: [(name: String, microseconds: Int64)] = [
        ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1),
    ]

    /// - Returns: nil if the text is no such time or does not fit.
    static func parse(_ text: String) -> Duration? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int64(digits) else { return nil }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }.lowercased()
        guard let factor = units.first(where: { $0.name == (unit.isEmpty ? "s" : unit) }) else {
            return nil
        }
        let (value, overflow) = number.multipliedReportingOverflow(by: factor.microseconds)
        return overflow ? nil : .microseconds(value)
    }

    /// The shortest exact text.
    static func print(_ duration: Duration) -> String {
        let microseconds = duration.microseconds
        guard microseconds != 0 else { return "0" }
        let exact = units.first { microseconds.isMultiple(of: $0.microseconds) }
        return exact.map { "\(microseconds / $0.microseconds)\($0.name)" } ?? "\(microseconds)us"
    }
}

extension Duration {
    /// Reads a time as people write it in settings; nil if the text is none.
    public init?(setting text: String) {
        guard let duration = DurationText.parse(text) else { return nil }
        self = duration
    }

    /// Whole microseconds, saturated.
    public var microseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        return product &+ attoseconds / 1_000_000_000_000
    }

    /// Whole milliseconds, saturated.
    public var wholeMilliseconds: Int64 { microseconds / 1_000 }
}
