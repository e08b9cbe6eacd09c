import ApusCore
import ApusWire
import SwiftProtobuf

/// Methods that describe the server and its models.
enum MetadataMessages {
    @Sendable static func server(
        _ useCases: UseCases, _ request: Inference_ServerMetadataRequest
    ) -> Inference_ServerMetadataResponse {
        let metadata = useCases.serverMetadata()
        return .with {
            $0.name = metadata.name
            $0.version = metadata.version
            $0.extensions = metadata.extensions
        }
    }

    @Sendable static func model(
        _ useCases: UseCases, _ request: Inference_ModelMetadataRequest
    ) throws -> Inference_ModelMetadataResponse {
        let metadata = try useCases.modelMetadata(request.name, version: request.version.nonEmpty)
        return .init(
            name: metadata.name, versions: metadata.versions, platform: metadata.platform,
            signature: metadata.signature)
    }

    @Sendable static func configuration(
        _ useCases: UseCases, _ request: Inference_ModelConfigRequest
    ) throws -> Inference_ModelConfigResponse {
        let configuration = try useCases.modelConfiguration(
            request.name, version: request.version.nonEmpty)
        return .with { $0.config = Inference_ModelConfig(configuration) }
    }

    @Sendable static func statistics(
        _ useCases: UseCases, _ request: Inference_ModelStatisticsRequest
    ) throws -> Inference_ModelStatisticsResponse {
        let statistics = try useCases.statistics(
            model: request.name.nonEmpty, version: request.version.nonEmpty)
        return .with {
            $0.modelStats = statistics.map { Inference_ModelStatistics($0.identity, $0.statistics) }
        }
    }
}
