import ApusCore
import ApusRepository
import ApusWire

/// Routes of the model repository extension.
enum RepositoryCodec {
    @Sendable static func index(
        _ useCases: UseCases, _ request: HTTPRequest
    ) async throws -> HTTPResponse {
        let isReadyOnly = try RepositoryRequest.index(request.body)
        let lines = await useCases.repositoryIndex(isReadyOnly: isReadyOnly).map { entry in
            IndexDocument.Line(
                name: entry.name, version: entry.version?.description,
                state: entry.state?.rawValue, reason: entry.reason)
        }
        return .json(IndexDocument.json(lines))
    }

    @Sendable static func load(
        _ useCases: UseCases, _ request: HTTPRequest
    ) async throws -> HTTPResponse {
        let load = try RepositoryRequest.load(request.body)
        var options = ModelLoadOptions()
        options.configurationJSON = load.configurationJSON
        options.files = load.files
        if let version = request.version {
            options.version = try UseCases.number(version, request.model ?? "")
        }
        try await useCases.load(request.model ?? "", options: options)
        return .empty
    }

    @Sendable static func unload(
        _ useCases: UseCases, _ request: HTTPRequest
    ) async throws -> HTTPResponse {
        try RepositoryRequest.unload(request.body)
        try await useCases.unload(request.model ?? "", version: request.version)
        return .empty
    }

    /// The same three with the name of a repository.
    @Sendable static func named(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        throw WireError.unsupported("repositories cannot be chosen by name: leave the name out")
    }
}
