import ApusCore
import ApusRepository
import ApusWire

/// Routes of a Vertex AI container, which the platform's variables name, and of the service, so that
/// its client can be pointed here.
///
/// - Source: Vertex AI, "Custom container requirements for prediction", `PredictionService`.
enum VertexCodec {
    static func endpoints(_ settings: DialectSettings) -> [Endpoint] {
        guard settings.contains(.vertex) else { return [] }
        let service = "/v1/projects/{repository}/locations/{repository}/endpoints/{name}"
        let container = "/v1/endpoints/{repository}/deployedModels/{repository}"
        var endpoints = [
            Endpoint(
                .post, service + ":predict", .dialect(DialectInference(predictByService)),
                errors: serviceErrors),
            Endpoint(
                .post, service + ":rawPredict", .dialect(DialectInference(rawPredict)),
                errors: serviceErrors),
            Endpoint(
                .post, service + ":explain", .direct(explain), effect: .computes,
                errors: serviceErrors),
            Endpoint(.post, container + ":predict", .dialect(DialectInference(predict))),
            Endpoint(.get, container, .direct(PingCodec.ping)),
            Endpoint(.get, "/health", .direct(PingCodec.ping)),
            Endpoint(.post, "/predict", .dialect(DialectInference(predict))),
        ]
        if !settings.vertexHealthRoute.isEmpty {
            endpoints.append(Endpoint(.get, settings.vertexHealthRoute, .direct(PingCodec.ping)))
        }
        if !settings.vertexPredictRoute.isEmpty {
            endpoints.append(
                Endpoint(
                    .post, settings.vertexPredictRoute, .dialect(DialectInference(predict))))
        }
        return endpoints
    }

    @Sendable private static func predict(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> DialectCall {
        let servable = try useCases.unnamedModel()
        let decoded = try TensorFlowRequest.decode(request.body, signature: servable.signature)
        return DialectCall(servable: servable, request: request.inference(decoded.inputs)) {
            .json(try VertexDocuments.predictions($0.outputs))
        }
    }

    @Sendable private static func predictByService(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> DialectCall {
        let servable = try servable(useCases, request)
        let decoded = try TensorFlowRequest.decode(request.body, signature: servable.signature)
        let endpoint = request.name ?? ""
        return DialectCall(servable: servable, request: request.inference(decoded.inputs)) {
            .json(
                try VertexDocuments.predictions(
                    $0.outputs, deployed: (endpoint: endpoint, identity: $0.identity)))
        }
    }

    /// The container's own answer, whatever the body is wrapped in.
    @Sendable private static func rawPredict(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> DialectCall {
        let servable = try servable(useCases, request)
        let body = try VertexDocuments.unwrapped(request.body) ?? request.body
        let decoded = try TensorFlowRequest.decode(body, signature: servable.signature)
        return DialectCall(servable: servable, request: request.inference(decoded.inputs)) {
            .json(try VertexDocuments.predictions($0.outputs))
        }
    }

    @Sendable private static func explain(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        throw WireError.unsupported("explanations are not offered by this server")
    }

    /// The model with the endpoint's name; endpoints have numbers on the platform, which mean the
    /// model that needs no name.
    private static func servable(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> any Servable {
        let name = request.name ?? ""
        do { return try useCases.servable(name, version: nil) } catch RepositoryError.modelNotFound
        {
            guard name.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else {
                throw RepositoryError.modelNotFound(name: name)
            }
            return try useCases.unnamedModel()
        }
    }

    private static let serviceErrors = ErrorForm { error, _ in
        let kind = (error as? any ServingError)?.kind
        let status = (kind.map { StatusTable.row($0).grpc } ?? .internal).name
        return .error(error) { VertexDocuments.error(code: $0.code, status: status, $1) }
    }
}
