import ApusWire

/// Routes that describe the server and its models.
enum MetadataCodec {
    @Sendable static func server(_ useCases: UseCases, _ request: HTTPRequest) -> HTTPResponse {
        let metadata = useCases.serverMetadata()
        return .json(
            MetadataDocument.server(
                name: metadata.name, version: metadata.version, extensions: metadata.extensions))
    }

    @Sendable static func models(_ useCases: UseCases, _ request: HTTPRequest) -> HTTPResponse {
        .json(MetadataDocument.models(useCases.modelNames()))
    }

    @Sendable static func model(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        let metadata = try useCases.modelMetadata(request.model ?? "", version: request.version)
        return .json(
            MetadataDocument.model(
                name: metadata.name, versions: metadata.versions, platform: metadata.platform,
                signature: metadata.signature))
    }

    @Sendable static func configuration(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        let configuration = try useCases.modelConfiguration(
            request.model ?? "", version: request.version)
        return .json(ModelConfigurationCoder.json(of: configuration))
    }

    @Sendable static func statistics(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        let statistics = try useCases.statistics(model: request.model, version: request.version)
        return .json(StatisticsDocument.json(statistics))
    }
}
