public import ApusCore

/// Bodies of SageMaker's container contract and of its runtime.
public enum SageMakerDocuments {
    /// A request to load a model: `{"model_name", "url"}`.
    public struct Load: Sendable {
        public var modelName: String
        public var url: String
    }

    /// - Returns: nil if the body is no object with a `model_name`.
    public static func load(_ body: TensorBytes) throws(WireError) -> Load? {
        guard body.count > 0 else { return nil }
        var scanner = JSONScanner(body.pointer, count: body.count)
        var name: String?
        var url = ""
        var isFirst = true
        try scanner.openObject("request")
        while let member = try scanner.nextMember(&isFirst) {
            if member.equals("model_name") {
                name = try scanner.string("model_name").string
            } else if member.equals("url") {
                url = try scanner.string("url").string
            } else {
                try scanner.skipValue()
            }
        }
        try scanner.finish()
        return name.map { Load(modelName: $0, url: url) }
    }

    /// What the service's runtime says of an error.
    public static func error(_ message: String) -> [UInt8] {
        var writer = JSONWriter(capacity: message.utf8.count + 32)
        writer.openObject()
        writer.member("Message", message)
        writer.closeObject()
        return writer.bytes
    }

    /// What it says of an error of the model's container.
    public static func modelError(status: Int, _ message: String) -> [UInt8] {
        var writer = JSONWriter(capacity: 2 * message.utf8.count + 96)
        writer.openObject()
        writer.member("Message", "Received client or server error (\(status)) from the model")
        writer.member("OriginalStatusCode", status)
        writer.member("OriginalMessage", message)
        writer.closeObject()
        return writer.bytes
    }

    public static func executionParameters(
        concurrentTransforms: Int, payloadMegabytes: Int
    ) -> [UInt8] {
        var writer = JSONWriter()
        writer.openObject()
        writer.member("MaxConcurrentTransforms", concurrentTransforms)
        writer.member("BatchStrategy", "MULTI_RECORD")
        writer.member("MaxPayloadInMB", payloadMegabytes)
        writer.closeObject()
        return writer.bytes
    }

    /// The models that are loaded, as SageMaker and TorchServe list them.
    ///
    /// - Parameter models: name and where it comes from.
    public static func models(
        _ models: [(name: String, url: String)], nextPageToken: String? = nil
    ) -> [UInt8] {
        var writer = JSONWriter()
        writer.openObject()
        writer.member("models", each: models) { writer, model in
            writer.openObject()
            writer.member("modelName", model.name)
            writer.member("modelUrl", model.url)
            writer.closeObject()
        }
        if let nextPageToken { writer.member("nextPageToken", nextPageToken) }
        writer.closeObject()
        return writer.bytes
    }

    public static func model(name: String, url: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.openObject()
        writer.member("modelName", name)
        writer.member("modelUrl", url)
        writer.closeObject()
        return writer.bytes
    }
}
