/// Headers that only single codecs ask for.
struct NamedHeaders: Sendable {
    private(set) var contentType: String?
    private(set) var accept: String?
    /// By name, in lower case.
    private var others: [(name: StaticString, value: String)] = []

    private static let known: [StaticString] = [
        "x-amzn-sagemaker-custom-attributes", "x-amzn-sagemaker-target-model",
        "x-amzn-sagemaker-target-variant", "x-amzn-sagemaker-inference-id",
        "x-ms-client-request-id", "x-ms-request-id", "traceid",
    ]

    /// Keeps a header if it is a known one.
    mutating func note(_ name: String, _ value: String) {
        if name.utf8.count == 12, name.equals("content-type") {
            contentType = value
        } else if name.utf8.count == 6, name.equals("accept") {
            accept = value
        } else if name.utf8.first.map({ $0 | 0x20 == 0x78 || $0 | 0x20 == 0x74 }) == true,
            let known = Self.known.first(where: { name.equals($0) })
        {
            others.append((known, value))
        }
    }

    /// The first value of a header of the list above.
    subscript(name: String) -> String? { others.first { "\($0.name)" == name }?.value }
}

/// A media type such as `text/csv; header=present`.
struct MediaType {
    /// In lower case, without parameters.
    let type: String
    /// By name in lower case; values without quotes.
    let parameters: [String: String]

    init(_ text: String) {
        let parts = text.split(separator: ";", omittingEmptySubsequences: false)
        type = Self.trimmed(parts.first ?? "").lowercased()
        var parameters: [String: String] = [:]
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard pair.count == 2 else { continue }
            let value = Self.trimmed(pair[1])
            let isQuoted = value.count >= 2 && value.hasPrefix("\"") && value.hasSuffix("\"")
            parameters[Self.trimmed(pair[0]).lowercased()] =
                isQuoted ? String(value.dropFirst().dropLast()) : value
        }
        self.parameters = parameters
    }

    static func trimmed(_ text: Substring) -> String {
        String(
            text.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }
                .reversed())
    }
}

/// The query of a request target.
enum QueryText {
    /// Values by name, percent-decoded and with `+` for spaces; the first of each name.
    static func values(of target: String) -> [String: String] {
        Dictionary(pairs(of: target), uniquingKeysWith: { first, _ in first })
    }

    /// All values of one name, in their order.
    static func values(named name: String, of target: String) -> [String] {
        pairs(of: target).filter { $0.0 == name }.map(\.1)
    }

    private static func pairs(of target: String) -> [(String, String)] {
        guard let start = target.firstIndex(of: "?") else { return [] }
        let query = target[target.index(after: start)...].prefix { $0 != "#" }
        return query.split(separator: "&").compactMap { part in
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = decoded(pair[0]) else { return nil }
            return (name, pair.count == 2 ? decoded(pair[1]) ?? "" : "")
        }
    }

    /// Nil if an escape is not whole or the bytes are no UTF-8.
    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
                continue
            }
            guard let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16),
                rest.count >= 2
            else { return nil }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
