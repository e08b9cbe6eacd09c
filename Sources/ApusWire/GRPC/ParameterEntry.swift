import ApusCore

/// One entry of a map from names to `InferParameter`s.
struct ParameterEntry {
    private(set) var name = ""
    /// Nil if no choice is made.
    private(set) var value: ParameterValue?

    init(_ message: TensorBytes, _ range: Range<Int>) throws(WireError) {
        var reader = ProtobufReader(message, range)
        while let tag = try reader.nextTag() {
            switch (tag.field, tag.type) {
            case (1, .bytes): name = try reader.string()
            case (2, .bytes): try readValue(message, try reader.bytes())
            case (1, _), (2, _):
                throw .malformedProtobuf(
                    reason: "a parameter's \(tag.field == 1 ? "name" : "value") is of another type",
                    offset: range.lowerBound)
            default: try reader.skip(tag)
            }
        }
    }

    private mutating func readValue(
        _ message: TensorBytes, _ range: Range<Int>
    ) throws(WireError) {
        var reader = ProtobufReader(message, range)
        while let tag = try reader.nextTag() {
            switch (tag.field, tag.type) {
            case (1, .varint): value = .bool(try reader.varint() != 0)
            case (2, .varint): value = .int64(Int64(bitPattern: try reader.varint()))
            case (3, .bytes): value = .string(try reader.string())
            case (4, .fixed64): value = .double(Double(bitPattern: try reader.fixed64()))
            case (5, .varint): value = .uint64(try reader.varint())
            default: try reader.skip(tag)
            }
        }
    }

    /// - Throws: `invalidParameter` if there is no value.
    func required() throws(WireError) -> ParameterValue {
        guard let value else { throw .invalidParameter(name: name, reason: "has no value") }
        return value
    }

    /// The value as a number that is not negative.
    func unsigned() throws(WireError) -> UInt64 { try required().unsigned(name) }

    func string() throws(WireError) -> String {
        guard case .string(let text) = try required() else {
            throw .invalidParameter(name: name, reason: "must be a string")
        }
        return text
    }
}

extension SharedMemoryMembers {
    /// Takes in a parameter of a tensor if it is one of these.
    ///
    /// - Returns: whether it was.
    @discardableResult
    mutating func read(_ entry: ParameterEntry) throws(WireError) -> Bool {
        switch entry.name {
        case "shared_memory_region": region = try entry.string()
        case "shared_memory_offset": offset = try entry.unsigned()
        case "shared_memory_byte_size": byteCount = try entry.unsigned()
        default: return false
        }
        return true
    }

    /// Nil if the tensor is not in shared memory.
    func reference() throws(WireError) -> SharedMemoryReference? {
        guard isGiven else { return nil }
        guard let region else {
            throw .invalidParameter(name: "shared_memory_region", reason: "is missing")
        }
        guard let byteCount else {
            throw .invalidParameter(name: "shared_memory_byte_size", reason: "is missing")
        }
        return SharedMemoryReference(region: region, offset: offset ?? 0, byteCount: byteCount)
    }
}

extension ParameterValue {
    /// - Parameter name: of the parameter, for the error.
    func unsigned(_ name: String) throws(WireError) -> UInt64 {
        switch self {
        case .uint64(let number): return number
        case .int64(let number) where number >= 0: return UInt64(number)
        default:
            throw .invalidParameter(name: name, reason: "must be an integer that is not negative")
        }
    }
}
