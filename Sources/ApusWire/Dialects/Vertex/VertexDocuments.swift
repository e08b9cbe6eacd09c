public import ApusCore

/// Bodies of Vertex AI's prediction service.
public enum VertexDocuments {
    /// `{"predictions": …}`, with what the platform adds if `endpoint` is given.
    public static func predictions(
        _ outputs: [NamedTensor], deployed: (endpoint: String, identity: ModelIdentity)? = nil
    ) throws(WireError) -> [UInt8] {
        let nested = try NestedOutputs(outputs, arrangement: .rows, marksBytes: true)
        guard let deployed else { return nested.document(member: "predictions") }
        let name = deployed.identity.name.text
        let members = [
            ("deployedModelId", deployed.endpoint), ("model", name), ("modelDisplayName", name),
            ("modelVersionId", deployed.identity.version.description),
        ]
        return nested.document(
            member: "predictions",
            others: members.map { (name: $0.0, json: JSONWriter.text($0.1)) })
    }

    /// The body inside `{"httpBody": {"contentType", "data"}}`, as the generated client sends a raw
    /// request over REST; nil if it is none.
    public static func unwrapped(_ body: TensorBytes) throws(WireError) -> TensorBytes? {
        var scanner = JSONScanner(body.pointer, count: body.count)
        guard body.count > 0, (try? scanner.peek()) == UInt8(ascii: "{") else { return nil }
        var data: [UInt8]?
        var isFirst = true
        try scanner.openObject("request")
        guard let member = try scanner.nextMember(&isFirst), member.equals("httpBody") else {
            return nil
        }
        var isFirstInside = true
        try scanner.openObject("httpBody")
        while let member = try scanner.nextMember(&isFirstInside) {
            if member.equals("data") {
                data = Base64.decoded(try scanner.string("data").bytes)
                guard data != nil else {
                    throw .wrongKind(member: "data", expected: "base64", offset: scanner.offset)
                }
            } else {
                try scanner.skipValue()
            }
        }
        guard let data else { throw .request("httpBody has no \"data\"") }
        do { return try data.withUnsafeBytes { try TensorBytes(copying: $0) } } catch {
            throw .outOfMemory(byteCount: data.count)
        }
    }

    /// Google's form of an error.
    public static func error(code: Int, status: String, _ message: String) -> [UInt8] {
        var writer = JSONWriter(capacity: message.utf8.count + 64)
        writer.openObject()
        writer.name("error")
        writer.openObject()
        writer.member("code", code)
        writer.member("message", message)
        writer.member("status", status)
        writer.closeObject()
        writer.closeObject()
        return writer.bytes
    }
}

extension JSONWriter {
    /// A text as a JSON string.
    static func text(_ text: String) -> [UInt8] {
        var writer = JSONWriter(capacity: text.utf8.count + 2)
        writer.string(text)
        return writer.bytes
    }
}
