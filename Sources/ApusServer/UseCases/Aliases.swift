import ApusCore
import ApusRepository

/// Names for versions of models, such as `champion` for version 3: where a version is asked for, its
/// name will do.
///
/// A model's configuration names versions by parameters `alias.<name>`; clients can add names and
/// move them while the server runs.
final class ModelAliases: Sendable {
    static let countMax = 10_000
    static let prefix = ModelConfiguration.aliasPrefix
    /// The name of the version that requests mean which ask for none.
    static let defaultName = "default"
    private static let defaultKey = prefix + defaultName

    private struct Key: Hashable {
        let model: String
        let alias: String
    }

    /// What clients have set; nil = they have taken the configuration's away.
    private let set = Guarded([Key: String?]())

    /// All names of a model, with those that its configuration gives.
    func all(of model: String, _ configuration: ModelConfiguration) -> [(String, String)] {
        var names: [String: String] = [:]
        for (key, value) in configuration.parameters where key.hasPrefix(Self.prefix) {
            names[String(key.dropFirst(Self.prefix.count))] = value
        }
        set.withLock { set in
            for (key, version) in set where key.model == model { names[key.alias] = version }
        }
        return names.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// The version that a name stands for; nil if there is no such name.
    func version(
        _ alias: String, of model: String, _ configuration: ModelConfiguration
    ) -> String? {
        if let change = set.withLock({ $0[Key(model: model, alias: alias)] }) { return change }
        return configuration.parameters[Self.prefix + alias]
    }

    /// The version that requests mean which ask for none; nil = the newest. On every request's way.
    func defaultVersion(of model: String, _ configuration: ModelConfiguration) -> String? {
        let change = set.withLock { set in
            set.isEmpty ? nil : set[Key(model: model, alias: Self.defaultName)]
        }
        return change ?? configuration.parameters[Self.defaultKey]
    }

    /// - Parameter version: nil = the name stands for nothing any more.
    /// - Throws: `tooManyAliases`.
    func change(_ alias: String, of model: String, to version: String?) throws(ServerError) {
        let key = Key(model: model, alias: alias)
        let isSet = set.withLock { set in
            guard set[key] != nil || set.count < Self.countMax else { return false }
            set[key] = .some(version)
            return true
        }
        guard isSet else { throw .tooManyAliases(countMax: Self.countMax) }
    }
}

extension UseCases {
    /// The names of a model's versions.
    func aliases(of model: String) throws -> [(alias: String, version: String)] {
        let servable = try servable(model, version: nil)
        return aliases.all(of: model, servable.configuration).map { (alias: $0.0, version: $0.1) }
    }

    /// Makes a name stand for a version that serves, or for nothing.
    func changeAlias(_ alias: String, of model: String, to version: String?) throws {
        guard Self.isAlias(alias), alias.utf8.count <= 255 else {
            throw ServerError.invalidAlias(alias)
        }
        _ = try servable(model, version: version)
        try aliases.change(alias, of: model, to: version)
    }

    /// Whether a text names a version instead of giving its number.
    static func isAlias(_ text: String) -> Bool {
        guard let first = text.utf8.first else { return false }
        return !(0x30...0x39).contains(first) && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f }
    }

    /// The number of a version that is given by its number or name.
    func versionNumber(_ version: String, of model: String) throws(RepositoryError) -> String {
        guard Self.isAlias(version) else { return version }
        let newest = try catalogue.servable(name: model, version: nil)
        guard let number = aliases.version(version, of: model, newest.configuration) else {
            throw .versionNotFound(name: model, version: version)
        }
        return number
    }
}
