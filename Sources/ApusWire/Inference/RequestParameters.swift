import ApusCore

/// The `parameters` of a request.
///
/// - Source: Triton, parameters extension; the names beginning with `triton_` are reserved there.
struct RequestParameters {
    var priority: UInt64 = 0
    var timeoutMicroseconds: UInt64?
    var wantsBinaryOutput = false
    /// All that only the model understands.
    var custom: [String: ParameterValue] = [:]

    mutating func read(from scanner: inout JSONScanner) throws(WireError) {
        var isFirst = true
        try scanner.openObject("parameters")
        while let name = try scanner.nextMember(&isFirst) {
            if name.equals("binary_data_output") {
                wantsBinaryOutput = try scanner.bool("binary_data_output")
            } else if name.equals("priority") {
                priority = try scanner.unsigned("priority")
            } else if name.equals("timeout") {
                let timeout = try scanner.unsigned("timeout")
                timeoutMicroseconds = timeout == 0 ? nil : timeout
            } else {
                try readCustom(name.string, from: &scanner)
            }
        }
    }

    private mutating func readCustom(
        _ name: String, from scanner: inout JSONScanner
    ) throws(WireError) {
        try checkCustom(name)
        guard let value = try Self.value(from: &scanner) else {
            throw .invalidParameter(
                name: name,
                reason: "at byte \(scanner.offset) must be a string, number, true or false")
        }
        try setCustom(name, value)
    }

    /// Sets the parameter of a request that is not JSON.
    mutating func set(_ name: String, _ value: ParameterValue) throws(WireError) {
        switch name {
        case "priority": priority = try value.unsigned(name)
        case "timeout":
            let timeout = try value.unsigned(name)
            timeoutMicroseconds = timeout == 0 ? nil : timeout
        case "triton_enable_empty_final_response":
            // A model that answers once marks that answer as the final one: nothing follows it.
            guard case .bool = value else {
                throw .invalidParameter(name: name, reason: "must be true or false")
            }
        default:
            try checkCustom(name)
            try setCustom(name, value)
        }
    }

    /// Refuses names that are not the model's.
    private func checkCustom(_ name: String) throws(WireError) {
        guard !name.hasPrefix("triton_") else {
            throw .invalidParameter(name: name, reason: "is reserved")
        }
        guard custom.count < 256 else {
            throw .invalidParameter(name: name, reason: "is one too many: at most 256 are allowed")
        }
    }

    private mutating func setCustom(_ name: String, _ value: ParameterValue) throws(WireError) {
        switch (name, value) {
        case ("sequence_start", .bool), ("sequence_end", .bool), ("sequence_id", .string),
            ("sequence_id", .uint64):
            break
        case ("sequence_id", .int64(let id)) where id >= 0: break
        case ("sequence_start", _), ("sequence_end", _):
            throw .invalidParameter(name: name, reason: "must be true or false")
        case ("sequence_id", _):
            throw .invalidParameter(
                name: name, reason: "must be a string or a non-negative integer")
        default: break
        }
        custom[name] = value
    }

    /// The value that comes next; nil for null, arrays and objects.
    static func value(
        from scanner: inout JSONScanner
    ) throws(WireError) -> ParameterValue? {
        switch try scanner.peek() {
        case UInt8(ascii: "\""): return .string(try scanner.string("parameters").string)
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool(try scanner.bool("parameters"))
        default:
            return switch try scanner.number() {
            case .int64(let value): .int64(value)
            case .uint64(let value): .uint64(value)
            case .double(let value): .double(value)
            case nil: nil
            }
        }
    }
}
