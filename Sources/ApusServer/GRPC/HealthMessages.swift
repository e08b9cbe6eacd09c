import ApusCore
import ApusRepository
import ApusWire
import SwiftProtobuf

/// Health over gRPC: the methods of the inference service, and those of gRPC's own health service,
/// which probes ask.
enum HealthMessages {
    @Sendable static func live(
        _ useCases: UseCases, _ request: Inference_ServerLiveRequest
    ) -> Inference_ServerLiveResponse {
        .with { $0.live = true }
    }

    @Sendable static func ready(
        _ useCases: UseCases, _ request: Inference_ServerReadyRequest
    ) -> Inference_ServerReadyResponse {
        .with { $0.ready = useCases.serverReadiness().isReady }
    }

    /// Clients ask in a loop until a model is there, so that "not yet" is no error, nor is, as in
    /// Triton, a name that nobody knows.
    @Sendable static func modelReady(
        _ useCases: UseCases, _ request: Inference_ModelReadyRequest
    ) throws -> Inference_ModelReadyResponse {
        do {
            try useCases.requireReady(request.name, version: request.version.nonEmpty)
            return .with { $0.ready = true }
        } catch let error as any ServingError
            where error.kind == .unavailable || error.kind == .notFound
        {
            return .with { $0.ready = false }
        }
    }

    @Sendable static func check(
        _ useCases: UseCases, _ request: Grpc_Health_V1_HealthCheckRequest
    ) throws -> Grpc_Health_V1_HealthCheckResponse {
        let status = status(of: request.service, useCases)
        guard status != .serviceUnknown else {
            throw ServerError.unknownService(request.service)
        }
        return .with { $0.status = status }
    }

    /// The health of a service; the empty name stands for the server.
    static func status(
        of service: String, _ useCases: UseCases
    ) -> Grpc_Health_V1_HealthCheckResponse.ServingStatus {
        guard service.isEmpty || FileDescriptors.services.contains(service) else {
            return .serviceUnknown
        }
        return useCases.serverReadiness().isReady ? .serving : .notServing
    }
}

extension String {
    /// Nil for the empty text, with which messages say that there is none.
    var nonEmpty: String? { isEmpty ? nil : self }
}
