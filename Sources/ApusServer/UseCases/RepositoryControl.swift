import ApusCore
import ApusRepository

extension UseCases {
    /// Every version that was ever tried, or those that are ready.
    func repositoryIndex(isReadyOnly: Bool) async -> [ModelIndexEntry] {
        let entries = await catalogue.index()
        return isReadyOnly ? entries.filter { $0.state == .ready } : entries
    }

    /// Loads or reloads a model; returns when it serves.
    func load(_ name: String, options: ModelLoadOptions) async throws {
        if isStopping { throw ServerError.stopping }
        _ = try ModelName(name)
        try await catalogue.load(name, options: options)
    }

    /// Stops serving a model, or one of its versions.
    func unload(_ name: String, version: String? = nil) async throws {
        _ = try ModelName(name)
        try await catalogue.unload(name, version: try version.map { try Self.number($0, name) })
    }

    /// The version of a path, which has digits only.
    static func number(_ text: String, _ name: String) throws(RepositoryError) -> ModelVersion {
        do {
            return try ModelVersion(text)
        } catch {
            throw .versionNotFound(name: name, version: text)
        }
    }
}
