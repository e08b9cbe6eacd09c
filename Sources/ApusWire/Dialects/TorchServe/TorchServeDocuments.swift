public import ApusCore

/// Bodies of TorchServe's inference and management interfaces.
///
/// - Source: TorchServe, "Inference API" and "Management API".
public enum TorchServeDocuments {
    public static let healthy: [UInt8] = Array(#"{"status":"Healthy"}"#.utf8)
    public static let unhealthy: [UInt8] = Array(#"{"status":"Unhealthy"}"#.utf8)

    public static func status(_ text: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.openObject()
        writer.member("status", text)
        writer.closeObject()
        return writer.bytes
    }

    public static func error(code: Int, type: String, _ message: String) -> [UInt8] {
        var writer = JSONWriter(capacity: message.utf8.count + 64)
        writer.openObject()
        writer.member("code", code)
        writer.member("type", type)
        writer.member("message", message)
        writer.closeObject()
        return writer.bytes
    }

    /// A version of a model that serves.
    public struct Description: Sendable {
        public var name: String
        public var version: String
        public var batchSize: Int
        public var maxBatchDelayMilliseconds: Int
        public var instanceCount: Int

        public init(
            name: String, version: String, batchSize: Int, maxBatchDelayMilliseconds: Int,
            instanceCount: Int
        ) {
            self.name = name
            self.version = version
            self.batchSize = batchSize
            self.maxBatchDelayMilliseconds = maxBatchDelayMilliseconds
            self.instanceCount = instanceCount
        }
    }

    public static func descriptions(_ models: [Description]) -> [UInt8] {
        var writer = JSONWriter(capacity: 512)
        writer.openArray()
        for model in models {
            writer.openObject()
            writer.member("modelName", model.name)
            writer.member("modelVersion", model.version)
            writer.member("modelUrl", model.name)
            writer.member("runtime", "apus")
            writer.member("minWorkers", model.instanceCount)
            writer.member("maxWorkers", model.instanceCount)
            writer.member("batchSize", model.batchSize)
            writer.member("maxBatchDelay", model.maxBatchDelayMilliseconds)
            writer.member("loadedAtStartup", true)
            writer.member("workers", each: 0..<model.instanceCount) { writer, index in
                writer.openObject()
                writer.member("id", "\(9000 + index)")
                writer.member("status", "READY")
                writer.member("gpu", false)
                writer.closeObject()
            }
            writer.closeObject()
        }
        writer.closeArray()
        return writer.bytes
    }

    /// The outputs as the model's answer: the only one's value, else an object by name.
    public static func predictions(_ outputs: [NamedTensor]) throws(WireError) -> [UInt8] {
        try NestedOutputs(outputs, arrangement: .columns).document(member: nil)
    }
}
