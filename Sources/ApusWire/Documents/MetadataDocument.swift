public import ApusCore

/// Bodies that describe the server and its models.
///
/// - Source: Open Inference Protocol, "Server Metadata" and "Model Metadata".
public enum MetadataDocument {
    public static func server(name: String, version: String, extensions: [String]) -> [UInt8] {
        var writer = JSONWriter()
        writer.openObject()
        writer.member("name", name)
        writer.member("version", version)
        writer.member("extensions", each: extensions) { $0.string($1) }
        writer.closeObject()
        return writer.bytes
    }

    /// - Parameter versions: the ready ones, or the one that was asked for.
    public static func model(
        name: ModelName, versions: [ModelVersion], platform: String, signature: ModelSignature
    ) -> [UInt8] {
        var writer = JSONWriter(capacity: 1024)
        writer.openObject()
        writer.member("name", name.text)
        writer.member("versions", each: versions) { $0.string($1.description) }
        writer.member("platform", platform)
        writer.member("inputs", each: signature.inputs) { $0.tensor($1) }
        writer.member("outputs", each: signature.outputs) { $0.tensor($1) }
        writer.closeObject()
        return writer.bytes
    }

    /// The names of models, as KServe lists them.
    public static func models(_ names: [String]) -> [UInt8] {
        var writer = JSONWriter()
        writer.openObject()
        writer.member("models", each: names) { $0.string($1) }
        writer.closeObject()
        return writer.bytes
    }
}

extension JSONWriter {
    fileprivate mutating func tensor(_ specification: TensorSpecification) {
        openObject()
        member("name", specification.name)
        member("datatype", specification.dataType.wireName ?? "\(specification.dataType)")
        member("shape", each: specification.shape) { $0.integer($1) }
        closeObject()
    }
}
