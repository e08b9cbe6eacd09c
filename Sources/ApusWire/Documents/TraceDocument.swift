public import ApusCore

/// A trace as Triton writes it into its file, and the bodies of the trace settings.
///
/// - Source: Triton, "Triton Server Trace", JSON trace output; trace extension.
public enum TraceDocument {
    /// Two elements of the array: what was traced, and its timestamps in nanoseconds.
    public static func json(
        id: UInt64, identity: ModelIdentity, requestID: String,
        timestamps: [(name: String, nanoseconds: UInt64)]
    ) -> [UInt8] {
        var writer = JSONWriter(capacity: 1024)
        writer.openObject()
        writer.member("id", id)
        writer.member("model_name", identity.name.text)
        writer.member("model_version", identity.version.number)
        if !requestID.isEmpty { writer.member("request_id", requestID) }
        writer.closeObject()
        writer.openObject()
        writer.member("id", id)
        writer.member("timestamps", each: timestamps) { writer, timestamp in
            writer.openObject()
            writer.member("name", timestamp.name)
            writer.member("ns", timestamp.nanoseconds)
            writer.closeObject()
        }
        writer.closeObject()
        return writer.bytes
    }

    /// All settings.
    public static func settings(
        _ settings: [(name: String, values: [String], isList: Bool)]
    ) -> [UInt8] {
        var writer = JSONWriter()
        writer.openObject()
        for (name, values, isList) in settings {
            if isList {
                writer.member(name, each: values) { $0.string($1) }
            } else {
                writer.member(name, values.first ?? "")
            }
        }
        writer.closeObject()
        return writer.bytes
    }

    /// What a client wants to change, by name; null = an empty list.
    public static func changes(_ body: TensorBytes) throws(WireError) -> [String: [String]] {
        var changes: [String: [String]] = [:]
        try JSONScanner.readMembers(of: body) { member, scanner throws(WireError) in
            let name = member.string
            var values: [String] = []
            switch try scanner.peek() {
            case UInt8(ascii: "n"): try scanner.skipValue()
            case UInt8(ascii: "["):
                var isFirst = true
                try scanner.openArray("setting")
                while try scanner.nextElement(&isFirst) {
                    values.append(try scanner.settingText())
                }
            default: values = [try scanner.settingText()]
            }
            changes[name] = values
        }
        return changes
    }
}

/// The bodies of the log settings.
///
/// - Source: Triton, logging extension.
public enum LogSettingsDocument {
    public static func json(_ settings: [(name: String, value: ParameterValue)]) -> [UInt8] {
        var writer = JSONWriter()
        writer.openObject()
        for (name, value) in settings {
            switch value {
            case .bool(let value): writer.member(name, value)
            case .int64(let value): writer.member(name, value)
            case .uint64(let value): writer.member(name, value)
            case .string(let value): writer.member(name, value)
            case .double(let value):
                writer.name(name)
                writer.double(value)
            }
        }
        writer.closeObject()
        return writer.bytes
    }

    /// What a client wants to change, by name.
    public static func changes(_ body: TensorBytes) throws(WireError) -> [String: ParameterValue] {
        var changes: [String: ParameterValue] = [:]
        try JSONScanner.readMembers(of: body) { member, scanner throws(WireError) in
            let name = member.string
            guard let value = try RequestParameters.value(from: &scanner) else {
                throw .invalidParameter(
                    name: name, reason: "must be a string, number, true or false")
            }
            changes[name] = value
        }
        return changes
    }
}

extension JSONScanner {
    /// A string, or a number as it is written.
    fileprivate mutating func settingText() throws(WireError) -> String {
        if try peek() == UInt8(ascii: "\"") { return try string("setting").string }
        switch try number() {
        case .int64(let value): return "\(value)"
        case .uint64(let value): return "\(value)"
        case .double(let value): return "\(value)"
        case nil: throw wrongKind("setting", "a string or an array of strings")
        }
    }
}
