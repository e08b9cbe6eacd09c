import ApusCore
import ApusRepository

/// What the server says of a model.
struct ModelMetadata {
    let name: ModelName
    /// All that serve, or the one that was asked for.
    let versions: [ModelVersion]
    let platform: String
    let signature: ModelSignature
}

extension UseCases {
    func modelMetadata(_ name: String, version: String?) throws -> ModelMetadata {
        let servable = try servable(name, version: version)
        let versions =
            version == nil
            ? catalogue.readyVersions(of: name).map(\.identity.version)
            : [servable.identity.version]
        return ModelMetadata(
            name: servable.identity.name,
            versions: versions.isEmpty ? [servable.identity.version] : versions,
            platform: servable.configuration.platform, signature: servable.signature)
    }

    func modelConfiguration(_ name: String, version: String?) throws -> ModelConfiguration {
        try servable(name, version: version).configuration
    }

    /// The names of the models that serve.
    func modelNames() -> [String] {
        var names: [String] = []
        for servable in catalogue.allReady() where servable.identity.name.text != names.last {
            names.append(servable.identity.name.text)
        }
        return names
    }
}
