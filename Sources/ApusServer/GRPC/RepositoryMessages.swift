import ApusCore
import ApusRepository
import ApusWire
import SwiftProtobuf

/// Methods of the model repository extension.
enum RepositoryMessages {
    @Sendable static func index(
        _ useCases: UseCases, _ request: Inference_RepositoryIndexRequest
    ) async throws -> Inference_RepositoryIndexResponse {
        guard request.repositoryName.isEmpty else {
            throw WireError.unsupported(
                "repositories cannot be chosen by name: leave the name out")
        }
        let entries = await useCases.repositoryIndex(isReadyOnly: request.ready)
        return .with { response in
            response.models = entries.map { entry in
                .with {
                    $0.name = entry.name
                    $0.version = entry.version?.description ?? ""
                    $0.state = entry.state?.rawValue ?? ""
                    $0.reason = entry.reason ?? ""
                }
            }
        }
    }

    @Sendable static func load(
        _ useCases: UseCases, _ request: Inference_RepositoryModelLoadRequest
    ) async throws -> Inference_RepositoryModelLoadResponse {
        let model = try NamedModelRequest(
            repositoryName: request.repositoryName, modelName: request.modelName)
        let load = try RepositoryRequest.load(request)
        var options = ModelLoadOptions()
        options.configurationJSON = load.configurationJSON
        options.files = load.files
        try await useCases.load(model.modelName, options: options)
        guard model.isKServe else { return .init() }
        return .with {
            $0.modelName = model.modelName
            $0.isLoaded = true
        }
    }

    @Sendable static func unload(
        _ useCases: UseCases, _ request: Inference_RepositoryModelUnloadRequest
    ) async throws -> Inference_RepositoryModelUnloadResponse {
        let model = try NamedModelRequest(
            repositoryName: request.repositoryName, modelName: request.modelName)
        try RepositoryRequest.unload(request)
        try await useCases.unload(model.modelName)
        guard model.isKServe else { return .init() }
        return .with {
            $0.modelName = model.modelName
            $0.isUnloaded = true
        }
    }
}
