import ApusCore
import ApusRepository
import ApusWire

/// Routes of MLflow's scoring server.
enum MLflowCodec {
    static func endpoints(_ settings: DialectSettings) -> [Endpoint] {
        guard settings.contains(.mlflow) else { return [] }
        let codec = InvocationsCodec(isSageMaker: false)
        return [
            Endpoint(
                .post, "/invocations",
                .dialect(
                    DialectInference { useCases, request in
                        try codec.call(request, try useCases.unnamedModel())
                    }), errors: errors),
            Endpoint(.get, "/ping", .direct(PingCodec.ping)),
            Endpoint(.get, "/health", .direct(PingCodec.ping)),
            Endpoint(
                .get, "/version", .direct { _, _ in .json(MLflowDocuments.version) }),
        ]
    }

    static let errors = ErrorForm { error, _ in
        var code = "BAD_REQUEST"
        if let error = error as? any ServingError {
            switch error.kind {
            case .invalidArgument: code = "BAD_REQUEST"
            case .notFound: code = "RESOURCE_DOES_NOT_EXIST"
            case .unavailable, .deadlineExceeded: code = "TEMPORARILY_UNAVAILABLE"
            case .resourceExhausted: code = "RESOURCE_EXHAUSTED"
            case .unsupported: code = "NOT_IMPLEMENTED"
            case .permissionDenied: code = "PERMISSION_DENIED"
            case .cancelled: code = "CANCELLED"
            case .internal: code = "INTERNAL_ERROR"
            }
        } else if !(error is HTTPProblem) {
            code = "INTERNAL_ERROR"
        }
        if case HTTPProblem.unknownContentType = error {
            var response = HTTPResponse.error(error) { Array($1.utf8) }
            response.contentType = .text
            return response
        }
        return .error(error) { MLflowDocuments.error(code: code, $1) }
    }
}

/// The health route that several dialects share: TorchServe's body, which the others do not read.
enum PingCodec {
    @Sendable static func ping(_ useCases: UseCases, _ request: HTTPRequest) -> HTTPResponse {
        if useCases.serverReadiness().isReady { return .json(TorchServeDocuments.healthy) }
        var response = HTTPResponse(
            .serviceUnavailable, .bytes(TorchServeDocuments.unhealthy))
        response.headers = [("Retry-After", "1")]
        return response
    }
}
