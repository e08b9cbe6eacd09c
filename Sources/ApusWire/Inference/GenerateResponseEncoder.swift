public import ApusCore

/// Writes the answer to a generate request: one flat JSON object with a member for each output, a
/// scalar if it has one element and a flat array otherwise.
///
/// - Source: Triton, generate extension.
public enum GenerateResponseEncoder {
    /// - Throws: as `InferenceResponseEncoder` for an output that JSON cannot carry.
    public static func json(_ response: InferenceResponse) throws(WireError) -> [UInt8] {
        try encoded(response, prefix: "", suffix: "")
    }

    /// The same as one server-sent event.
    ///
    /// - Source: WHATWG HTML, "Server-sent events".
    public static func event(_ response: InferenceResponse) throws(WireError) -> [UInt8] {
        try encoded(response, prefix: "data: ", suffix: "\n\n")
    }

    private static func encoded(
        _ response: InferenceResponse, prefix: StaticString, suffix: StaticString
    ) throws(WireError) -> [UInt8] {
        var bound = 128 + JSONCursor.byteCount(of: response.id)
        bound += JSONCursor.byteCount(of: response.identity.name.text)
        for (name, value) in response.parameters {
            bound += JSONCursor.byteCount(of: name) + 2 + JSONCursor.byteCountMax(of: value)
        }
        for output in response.outputs {
            bound += try InferenceResponseEncoder.byteCountMax(of: output, form: .json)
        }
        guard bound <= TextLimits.answerByteCountMax else { throw .answerTooLarge }
        return [UInt8](unsafeUninitializedCapacity: bound) { buffer, count in
            guard let target = buffer.baseAddress else { return }
            var cursor = JSONCursor(UnsafeMutableRawPointer(target))
            cursor.literal(prefix)
            write(response, &cursor)
            cursor.literal(suffix)
            count = cursor.count
        }
    }

    private static func write(_ response: InferenceResponse, _ cursor: inout JSONCursor) {
        cursor.literal("{")
        if !response.id.isEmpty {
            cursor.literal("\"id\":")
            cursor.string(response.id)
            cursor.literal(",")
        }
        cursor.literal("\"model_name\":")
        cursor.string(response.identity.name.text)
        cursor.literal(",\"model_version\":\"")
        cursor.integer(Int(response.identity.version.number))
        cursor.literal("\"")
        for (name, value) in response.parameters.sorted(by: { $0.key < $1.key }) {
            cursor.literal(",")
            cursor.string(name)
            cursor.literal(":")
            cursor.value(value)
        }
        for output in response.outputs {
            cursor.literal(",")
            cursor.string(output.name)
            cursor.literal(":")
            let isScalar = output.tensor.elementCount == 1
            if !isScalar { cursor.literal("[") }
            cursor.elements(of: output.tensor)
            if !isScalar { cursor.literal("]") }
        }
        cursor.literal("}")
    }
}
