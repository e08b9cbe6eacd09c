import ApusCore
import ApusRepository
import ApusWire

/// Routes of Azure Machine Learning's inference server.
///
/// - Source: Azure Machine Learning, "Azure Machine Learning inference HTTP server".
enum AzureCodec {
    static func endpoints(_ settings: DialectSettings) -> [Endpoint] {
        guard settings.contains(.azureml) else { return [] }
        return [
            Endpoint(.get, "/", .direct(health)),
            Endpoint(.post, "/score", .dialect(DialectInference(score)), errors: errors),
            Endpoint(
                .options, "/score",
                .direct { _, request in
                    var response = HTTPResponse.empty
                    response.headers = identifiers(request) + [("Allow", "OPTIONS, POST")]
                    return response
                }),
            Endpoint(.get, "/swagger.json", .direct(swagger)),
        ]
    }

    @Sendable private static func health(
        _ useCases: UseCases, _ request: HTTPRequest
    ) -> HTTPResponse {
        let isReady = useCases.serverReadiness().isReady
        var response = HTTPResponse(
            isReady ? .ok : .serviceUnavailable,
            .bytes(Array((isReady ? "Healthy" : "Unhealthy").utf8)))
        response.contentType = .text
        response.headers = identifiers(request)
        return response
    }

    @Sendable private static func swagger(
        _ useCases: UseCases, _ request: HTTPRequest
    ) -> HTTPResponse {
        .json(
            AzureDocuments.swagger(
                isVersion3: request.query["version"] == "3",
                serverVersion: useCases.serverVersion))
    }

    @Sendable private static func score(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> DialectCall {
        try checkIdentifiers(request)
        let servable = try useCases.unnamedModel()
        let signature = try MLflowSignature(servable.configuration)
        let model = servable.signature
        let decoded: MLflowRequest
        switch InvocationBody.kind(of: request.body) {
        case .array:
            decoded = MLflowRequest(
                form: .arrays,
                inputs: try TorchServeRequest.inputs(json: request.body, signature: model))
        case .tensorFlow:
            decoded = try MLflowRequest.decode(request.body, model: model, signature: signature)
        case .other:
            decoded =
                try InvocationBody.hasInputData(request.body)
                ? MLflowRequest.decode(inputData: request.body, model: model, signature: signature)
                : MLflowRequest.decode(request.body, model: model, signature: signature)
        }
        let version = useCases.serverVersion
        return DialectCall(servable: servable, request: request.inference(decoded.inputs)) {
            var response = HTTPResponse.json(
                try AzureDocuments.predictions($0.outputs, form: decoded.form))
            response.headers =
                identifiers(request) + outcome(request, hasFailed: false)
                + [("x-ms-server-version", "apus/\(version)")]
            return response
        }
    }

    // MARK: Headers

    /// How long the platform lets them be.
    private static let identifierByteCountMax = 100

    private static func checkIdentifiers(_ request: HTTPRequest) throws(HTTPProblem) {
        let given = [
            request.requestID, request.headers["x-ms-client-request-id"],
            request.headers["x-ms-request-id"],
        ]
        guard given.allSatisfy({ ($0?.utf8.count ?? 0) <= identifierByteCountMax }) else {
            throw .headersTooLarge
        }
    }

    /// The identifiers of the request, those that are missing made up. `X-Request-ID` itself is
    /// repeated in every answer if the request has it.
    private static func identifiers(_ request: HTTPRequest) -> [(name: String, value: String)] {
        var headers: [(name: String, value: String)] = []
        let own = request.requestID ?? String(UInt64.random(in: .min ... .max), radix: 16)
        if request.requestID == nil { headers.append(("x-request-id", own)) }
        let client = request.headers["x-ms-client-request-id"]
        if let client { headers.append(("x-ms-client-request-id", client)) }
        headers.append(
            ("x-ms-request-id", request.headers["x-ms-request-id"] ?? client ?? own))
        if let trace = request.headers["traceid"] { headers.append(("TraceId", trace)) }
        return headers
    }

    private static func outcome(
        _ request: HTTPRequest, hasFailed: Bool
    ) -> [(name: String, value: String)] {
        let nanoseconds = MonotonicClock.nowNanoseconds() &- request.receivedNanoseconds
        let micros = nanoseconds / 1000
        let rest = String(micros % 1000)
        let fraction = String(repeating: "0", count: 3 - rest.count) + rest
        return [
            ("x-ms-run-function-failed", hasFailed ? "True" : "False"),
            ("x-ms-run-fn-exec-ms", "\(micros / 1000).\(fraction)"),
        ]
    }

    private static let errors = ErrorForm { error, request in
        var response = HTTPResponse.error(error) { AzureDocuments.error($1) }
        response.headers += identifiers(request)
        if !(error is HTTPProblem) { response.headers += outcome(request, hasFailed: true) }
        return response
    }
}
