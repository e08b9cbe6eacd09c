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

    /// - Throws: `unsupported` if this is a parameter of the shared memory extensions.
    func refuseSharedMemory() throws(WireError) {
        if name.hasPrefix("shared_memory_") {
            throw .unsupported("tensors in shared memory are not offered by this server")
        }
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
