import ApusCore
import ApusRepository
import ApusWire

/// Health routes: clients of Triton look at the status, those of KServe at the JSON member, people at
/// what is missing.
enum HealthCodec {
    @Sendable static func live(_ useCases: UseCases, _ request: HTTPRequest) -> HTTPResponse {
        .json(HealthDocument.live)
    }

    @Sendable static func ready(_ useCases: UseCases, _ request: HTTPRequest) -> HTTPResponse {
        let readiness = useCases.serverReadiness()
        if readiness.isReady { return .json(HealthDocument.ready) }
        let error = readiness.missing.first ?? "the models are being loaded"
        var response = HTTPResponse(
            .serviceUnavailable,
            .bytes(
                HealthDocument.notReady(
                    error: "not ready: \(error)", missing: readiness.missing)))
        response.headers = [("Retry-After", "1")]
        return response
    }

    @Sendable static func modelReady(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        let name = request.model ?? ""
        do {
            try useCases.requireReady(name, version: request.version)
            return .json(HealthDocument.modelReady(name: name))
        } catch let error as any ServingError {
            var response = HTTPResponse.error(error)
            response.body = .bytes(HealthDocument.notReady(name: name, error: error.message))
            return response
        }
    }
}
