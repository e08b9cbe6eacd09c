internal import ApusCore
internal import CONNX

/// Where a tensor's data are outside the model file.
///
/// - Source: ONNX, "External Data": keys `location`, `offset` and `length`.
struct ExternalData {
    /// Relative to the model's directory; does not lead out of it by its words.
    let location: String
    let offset: Int
    let length: Int?

    init(_ proto: Onnx__TensorProto, _ request: TensorData.Request) throws(ONNXError) {
        var entries: [String: String] = [:]
        for entry in messages(proto.external_data, proto.n_external_data) {
            entries[text(entry.pointee.key)] = text(entry.pointee.value)
        }
        let location = entries["location"] ?? ""
        let parts = location.split(separator: "/", omittingEmptySubsequences: false)
        guard !location.isEmpty, !location.hasPrefix("/"), !parts.contains("..") else {
            throw .invalid(
                place: request.label,
                reason: "external data at \"\(location)\", expected a path inside the model's "
                    + "directory")
        }
        self.location = location
        offset = try Self.number("offset", entries, request) ?? 0
        length = try Self.number("length", entries, request)
    }

    private static func number(
        _ key: String, _ entries: [String: String], _ request: TensorData.Request
    ) throws(ONNXError) -> Int? {
        guard let text = entries[key] else { return nil }
        guard let value = Int(text), value >= 0 else {
            throw .invalid(
                place: request.label,
                reason: "\(key) of external data is \"\(text)\", expected a number of bytes")
        }
        return value
    }
}
