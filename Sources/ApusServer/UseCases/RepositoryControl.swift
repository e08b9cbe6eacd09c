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

    /// Stops serving a model.
    func unload(_ name: String) async throws {
        _ = try ModelName(name)
        try await catalogue.unload(name)
    }
}
