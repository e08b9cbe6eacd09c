public import ApusCore

/// Bodies of the routes that name versions.
public enum AliasDocument {
    /// `{"champion":"3"}`
    public static func json(_ aliases: [(alias: String, version: String)]) -> [UInt8] {
        var writer = JSONWriter()
        writer.openObject()
        for (alias, version) in aliases { writer.member(alias, version) }
        writer.closeObject()
        return writer.bytes
    }

    /// The version in `{"version":"3"}` or `{"version":3}`; nil for `{"version":null}`.
    public static func version(_ body: TensorBytes) throws(WireError) -> String? {
        var scanner = JSONScanner(body.pointer, count: body.count)
        var found: String??
        var isFirst = true
        try scanner.openObject("request")
        while let name = try scanner.nextMember(&isFirst) {
            guard name.equals("version") else {
                try scanner.skipValue()
                continue
            }
            switch try scanner.peek() {
            case UInt8(ascii: "n"):
                try scanner.skipValue()
                found = .some(nil)
            case UInt8(ascii: "\""): found = try scanner.string("version").string
            default: found = "\(try scanner.unsigned("version"))"
            }
        }
        try scanner.finish()
        guard let found else {
            throw .missingMember("version", of: "the request", offset: scanner.offset)
        }
        return found
    }
}
