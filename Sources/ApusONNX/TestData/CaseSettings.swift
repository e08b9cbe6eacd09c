internal import ApusCore

/// Reads `case.json`: one object with the numbers `rtol` and `atol`.
enum CaseSettings {
    /// The tolerance of a case; the default if there is no file.
    static func tolerance(_ path: String) throws(ONNXError) -> Tolerance {
        guard FileBytes.exists(path) else { return Tolerance() }
        let bytes = try FileBytes.open(path)
        guard bytes.count <= 64 << 10 else {
            throw .limitExceeded(place: path, reason: "it has \(bytes.count) bytes")
        }
        let text = bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        var tolerance = Tolerance()
        for (key, value) in try members(of: text, path) {
            guard let number = Double(value), number.isFinite, number >= 0 else {
                throw .invalid(place: path, reason: "\"\(key)\" is \(value), expected a number")
            }
            if key == "rtol" { tolerance.relative = number }
            if key == "atol" { tolerance.absolute = number }
        }
        return tolerance
    }

    /// Names and values of a flat object of numbers.
    private static func members(
        of text: String, _ path: String
    ) throws(ONNXError) -> [(key: String, value: String)] {
        let compact = String(text.filter { !$0.isWhitespace })
        guard compact.hasPrefix("{"), compact.hasSuffix("}") else {
            throw .invalid(place: path, reason: "expected an object with rtol and atol")
        }
        var result: [(key: String, value: String)] = []
        for member in compact.dropFirst().dropLast().split(separator: ",") {
            let parts = member.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, parts[0].count >= 2, parts[0].hasPrefix("\""),
                parts[0].hasSuffix("\"")
            else {
                throw .invalid(place: path, reason: "\(member) is not a name and a number")
            }
            result.append((String(parts[0].dropFirst().dropLast()), String(parts[1])))
        }
        return result
    }
}
