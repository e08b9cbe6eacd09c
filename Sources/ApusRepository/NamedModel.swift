public import ApusCore

/// A model in a directory of its own, which may lie anywhere: the directory of its versions, or of
/// the files of its only one.
public struct NamedModel: Sendable, Hashable {
    public var name: ModelName
    public var path: String
    /// Nil = what the model's configuration says.
    public var versionPolicy: ModelConfiguration.VersionPolicy?
    /// Versions by names that clients may use for them.
    public var versionLabels: [String: ModelVersion] = [:]

    public init(name: ModelName, path: String) {
        self.name = name
        self.path = path
    }

    /// Writes what was said of the model beside its files into its configuration.
    func complete(_ configuration: inout ModelConfiguration) {
        if let versionPolicy { configuration.versionPolicy = versionPolicy }
        for (label, version) in versionLabels {
            let name = ModelConfiguration.aliasPrefix + label
            configuration.parameters[name] = version.description
        }
    }
}
