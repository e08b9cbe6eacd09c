import ApusCore
import ApusRepository
import ApusWire

/// Routes of a SageMaker container, of its models when there are several, and of the service's
/// runtime, so that the SDK can be pointed here.
///
/// - Source: SageMaker, "Custom inference code with hosting services", "Multi-model endpoints",
///   "InvokeEndpoint".
enum SageMakerCodec {
    private static let codec = InvocationsCodec(isSageMaker: true)

    static func endpoints(_ settings: DialectSettings) -> [Endpoint] {
        guard settings.contains(.sagemaker) else { return [] }
        return [
            Endpoint(.post, "/invocations", .dialect(DialectInference(invoke)), errors: errors),
            Endpoint(.get, "/ping", .direct(PingCodec.ping)),
            Endpoint(.get, "/execution-parameters", .direct(executionParameters)),
            Endpoint(
                .post, "/models/{model}/invoke", .dialect(DialectInference(invokeModel)),
                errors: errors),
            Endpoint(
                .post, "/endpoints/{name}/invocations", .dialect(DialectInference(invokeEndpoint)),
                errors: endpointErrors),
        ]
    }

    // MARK: Inference

    @Sendable private static func invoke(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> DialectCall {
        let target = targetModel(request)
        let servable =
            try target.map { try useCases.servable($0, version: nil) } ?? useCases.unnamedModel()
        return try codec.call(
            request, servable, headers: echoed(request),
            defaultAccept: useCases.dialects.defaultAccept)
    }

    @Sendable private static func invokeModel(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> DialectCall {
        let servable = try useCases.servable(request.model ?? "", version: nil)
        return try codec.call(
            request, servable, headers: echoed(request),
            defaultAccept: useCases.dialects.defaultAccept)
    }

    /// The service's runtime: the endpoint's name is the model's.
    @Sendable private static func invokeEndpoint(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> DialectCall {
        let name = targetModel(request) ?? request.name ?? ""
        let servable = try useCases.servable(name, version: nil)
        let variant = request.headers["x-amzn-sagemaker-target-variant"] ?? "AllTraffic"
        return try codec.call(
            request, servable,
            headers: echoed(request) + [("x-Amzn-Invoked-Production-Variant", variant)],
            defaultAccept: useCases.dialects.defaultAccept)
    }

    /// The model that a header names, as an archive or by its name alone.
    private static func targetModel(_ request: HTTPRequest) -> String? {
        guard let name = request.headers["x-amzn-sagemaker-target-model"] else { return nil }
        let ending = ".tar.gz"
        let text = name.hasPrefix("/") ? String(name.dropFirst()) : name
        return text.hasSuffix(ending) ? String(text.dropLast(ending.count)) : text
    }

    private static func echoed(_ request: HTTPRequest) -> [(name: String, value: String)] {
        let name = "X-Amzn-SageMaker-Custom-Attributes"
        // Longer ones are not passed on by the service, either.
        guard let value = request.headers["x-amzn-sagemaker-custom-attributes"],
            value.utf8.count <= 1024
        else { return [] }
        return [(name, value)]
    }

    // MARK: Others

    @Sendable private static func executionParameters(
        _ useCases: UseCases, _ request: HTTPRequest
    ) -> HTTPResponse {
        .json(
            SageMakerDocuments.executionParameters(
                concurrentTransforms: useCases.dialects.concurrentRequestCount,
                payloadMegabytes: min(max(useCases.dialects.bodyByteCountMax >> 20, 1), 100)))
    }

    /// In the container; no memory for a model is 507.
    static let errors = ErrorForm { error, _ in
        var response = HTTPResponse.error(error)
        if case WireError.outOfMemory = error { response.status = .insufficientStorage }
        return response
    }

    /// What the service makes of an error of the container: `ModelError`, with the container's status.
    private static let endpointErrors = ErrorForm { error, _ in
        let kind = (error as? any ServingError)?.kind ?? .internal
        let isAboutModel =
            error is RepositoryError || error is ModelChoiceError || error is CoreError
        var response: HTTPResponse
        let type: String
        if error is HTTPProblem || isAboutModel && kind != .unavailable {
            response = .error(error) { SageMakerDocuments.error($1) }
            response.status = .badRequest
            type = "ValidationError"
        } else if kind == .unavailable {
            response = .error(error) { SageMakerDocuments.error($1) }
            type = "ServiceUnavailable"
        } else {
            response = .error(error) { status, message in
                SageMakerDocuments.modelError(status: status.code, message)
            }
            response.status = .failedDependency
            type = "ModelError"
        }
        response.headers.append(("x-amzn-errortype", type))
        return response
    }
}
