import ApusCore
import ApusRepository
import ApusWire

/// Routes of TorchServe, inference and management on one port.
///
/// - Source: TorchServe, "Inference API" and "Management API".
enum TorchServeCodec {
    static func endpoints(_ settings: DialectSettings) -> [Endpoint] {
        guard settings.contains(.torchserve) else { return [] }
        let inference = DialectInference(predict)
        return [
            Endpoint(.get, "/ping", .direct(PingCodec.ping)),
            Endpoint(.post, "/predictions/{model}", .dialect(inference), errors: errors),
            Endpoint(.put, "/predictions/{model}", .dialect(inference), errors: errors),
            Endpoint(.post, "/predictions/{model}/{version}", .dialect(inference), errors: errors),
            Endpoint(
                .post, "/explanations/{model}", .direct(explain), effect: .computes,
                errors: errors),
            Endpoint(.options, "/", .direct(DocsCodec.openAPI)),
            Endpoint(.get, "/api-description", .direct(DocsCodec.openAPI)),
        ]
    }

    // MARK: Inference

    @Sendable private static func predict(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> DialectCall {
        let servable = try useCases.servable(
            request.model ?? "", version: try ModelsV1Codec.version(request))
        let call = try inputs(request, servable)
        return DialectCall(servable: servable, request: request.inference(call)) {
            .json(try TorchServeDocuments.predictions($0.outputs))
        }
    }

    private static func inputs(
        _ request: HTTPRequest, _ servable: any Servable
    ) throws -> [NamedTensor] {
        let media = MediaType(request.headers.contentType ?? "application/json")
        if media.type == "multipart/form-data" {
            let file = try TorchServeRequest.file(
                multipart: request.body, boundary: media.parameters["boundary"] ?? "")
            return try inputs(file.content, MediaType(file.contentType).type, request, servable)
        }
        return try inputs(request.body, media.type, request, servable)
    }

    private static func inputs(
        _ body: TensorBytes, _ type: String, _ request: HTTPRequest, _ servable: any Servable
    ) throws -> [NamedTensor] {
        // What curl -T sends has no type: a JSON text is recognised by how it begins.
        let isText =
            type == "application/octet-stream" || type == "application/x-www-form-urlencoded"
        if type == "application/json" || isText && InvocationBody.looksLikeJSON(body) {
            return try TorchServeRequest.inputs(json: body, signature: servable.signature)
        }
        let hasBatchDimension = servable.configuration.maxBatchSize > 0
        return try RawRequestDecoder.decode(
            body, signature: servable.signature, hasBatchDimension: hasBatchDimension,
            receivedNanoseconds: request.receivedNanoseconds, cancellation: request.cancellation
        ).request.inputs
    }

    @Sendable private static func explain(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        throw WireError.unsupported("explanations are not offered by this server")
    }

    // MARK: Errors

    static let errors = ErrorForm { error, _ in
        var type = "InternalServerException"
        var words: String?
        switch error {
        case RepositoryError.modelNotFound(let name):
            type = "ModelNotFoundException"
            words = "Model not found: \(name)"
        case RepositoryError.versionNotFound(let name, let version):
            type = "ModelVersionNotFoundException"
            words = "Model version: \(version) does not exist for model: \(name)"
        case HTTPProblem.methodNotAllowed: type = "MethodNotAllowedException"
        case HTTPProblem.routeNotFound: type = "ResourceNotFoundException"
        case is HTTPProblem: type = "BadRequestException"
        case let error as any ServingError:
            switch error.kind {
            case .invalidArgument, .cancelled, .resourceExhausted: type = "BadRequestException"
            case .notFound: type = "ResourceNotFoundException"
            case .unavailable, .deadlineExceeded: type = "ServiceUnavailableException"
            case .unsupported, .permissionDenied, .internal: break
            }
        default: break
        }
        return .error(error, words: words) {
            TorchServeDocuments.error(code: $0.code, type: type, $1)
        }
    }
}
