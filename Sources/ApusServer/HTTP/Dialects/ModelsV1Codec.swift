import ApusCore
import ApusRepository
import ApusWire

/// Routes under `/v1/models`, which TensorFlow Serving and KServe's first protocol share: predictions
/// and the state of models. Where the two differ, the dialect that is configured first decides.
///
/// - Source: TensorFlow Serving, "RESTful API"; KServe, "V1 protocol".
enum ModelsV1Codec {
    static func endpoints(_ settings: DialectSettings) -> [Endpoint] {
        let isKServe = settings.contains(.kserve)
        let isTensorFlow = settings.contains(.tensorflow)
        guard isKServe || isTensorFlow else { return [] }
        let words = isTensorFlow && settings.prefers(.tensorflow, to: .kserve)
        let errors = words ? ModelsV1Errors.ofPrediction : ModelsV1Errors.ofKServe
        let statusErrors = words ? ModelsV1Errors.ofStatus : ModelsV1Errors.ofKServe
        var endpoints: [Endpoint] = [
            Endpoint(
                .post, "/v1/models/{model}:predict", .dialect(DialectInference(predict)),
                errors: errors),
            Endpoint(.get, "/v1/models/{model}", .eventually(status), errors: statusErrors),
        ]
        if isKServe {
            endpoints += [
                Endpoint(.get, "/", .direct { _, _ in .json(KServeDocuments.alive) }),
                Endpoint(.get, "/v1/models", .direct(MetadataCodec.models)),
                Endpoint(
                    .post, "/v1/models/{model}:explain", .direct(explain), effect: .computes,
                    errors: errors),
            ]
        }
        return isTensorFlow ? endpoints + tensorFlow(errors, statusErrors) : endpoints
    }

    private static func tensorFlow(_ errors: ErrorForm, _ statusErrors: ErrorForm) -> [Endpoint] {
        var endpoints = [
            Endpoint(
                .get, "/monitoring/prometheus/metrics", .eventually(MetricsCodec.exposition),
                on: .all)
        ]
        let models = [
            "/v1/models/{model}", "/v1/models/{model}/versions/{version}",
            "/v1/models/{model}/labels/{name}",
        ]
        for model in models {
            endpoints += [
                Endpoint(
                    .post, model + ":predict", .dialect(DialectInference(predict)), errors: errors),
                Endpoint(
                    .post, model + ":classify", .dialect(DialectInference(classify)),
                    errors: errors),
                Endpoint(
                    .post, model + ":regress", .dialect(DialectInference(regress)), errors: errors),
                Endpoint(.get, model + "/metadata", .direct(metadata), errors: statusErrors),
                Endpoint(.get, model, .eventually(status), errors: statusErrors),
            ]
        }
        return endpoints
    }

    /// What TensorFlow Serving says of all other paths below `/v1`.
    static func malformed(_ settings: DialectSettings) -> [Endpoint] {
        guard settings.contains(.tensorflow) else { return [] }
        let methods: [Endpoint.Method] = [.get, .post, .put, .delete]
        return methods.map { method in
            Endpoint(
                method, "/v1/**",
                .direct { _, request in
                    let path = request.target.prefix { $0 != "?" }
                    if path == "/v1/models" {
                        throw WireError.request("Missing model name in request.")
                    }
                    throw WireError.request("Malformed request: \(method.rawValue) \(path)")
                }, effect: .reads)
        }
    }

    // MARK: Inference

    @Sendable private static func predict(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> DialectCall {
        let servable = try servable(useCases, request)
        let decoded = try TensorFlowRequest.decode(request.body, signature: servable.signature)
        let alwaysPredictions = !useCases.dialects.contains(.tensorflow)
        return DialectCall(servable: servable, request: request.inference(decoded.inputs)) {
            .json(
                try TensorFlowResponse.json(
                    $0.outputs, form: decoded.form, alwaysPredictions: alwaysPredictions))
        }
    }

    @Sendable private static func classify(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> DialectCall {
        let servable = try servable(useCases, request)
        let inputs = try ExamplesRequest.decode(request.body, signature: servable.signature)
        let labels = servable.labels
        return DialectCall(servable: servable, request: request.inference(inputs)) { response in
            let scores = response.outputs.filter {
                $0.tensor.dataType.isFloatingPoint && $0.tensor.shape.count == 2
            }
            guard let output = scores.first(where: { labels[$0.name] != nil }) ?? scores.first
            else {
                throw WireError.request(
                    "Expected classification signature: no output has scores of shape "
                        + "[rows, classes]")
            }
            return .json(
                try ExamplesResponse.classes(output, labels: labels[output.name] ?? []))
        }
    }

    @Sendable private static func regress(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> DialectCall {
        let servable = try servable(useCases, request)
        let inputs = try ExamplesRequest.decode(request.body, signature: servable.signature)
        return DialectCall(servable: servable, request: request.inference(inputs)) { response in
            guard let output = response.outputs.first(where: { $0.tensor.dataType.isFloatingPoint })
            else {
                throw WireError.request("Expected regression signature: no output is a number")
            }
            return .json(try ExamplesResponse.values(output))
        }
    }

    @Sendable private static func explain(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        _ = try useCases.servable(request.model ?? "", version: nil)
        throw WireError.unsupported("explanations are not offered by this server")
    }

    private static func servable(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> any Servable {
        let model = request.model ?? ""
        if let label = request.name { return try useCases.servable(model, label: label) }
        return try useCases.servable(model, version: try version(request))
    }

    /// The version's number without leading zeros.
    static func version(_ request: HTTPRequest) throws(WireError) -> String? {
        guard let text = request.version else { return nil }
        guard let number = Int64(text) else {
            throw .request("Failed to convert version: \(text) to numeric.")
        }
        return "\(number)"
    }

    // MARK: State

    @Sendable private static func metadata(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        let servable = try servable(useCases, request)
        return .json(
            TensorFlowDocuments.metadata(
                name: servable.identity.name.text,
                version: servable.identity.version.description, signature: servable.signature))
    }

    @Sendable private static func status(
        _ useCases: UseCases, _ request: HTTPRequest
    ) async throws -> HTTPResponse {
        let name = request.model ?? ""
        let settings = useCases.dialects
        var wanted = try version(request)
        if let label = request.name {
            wanted = try useCases.servable(name, label: label).identity.version.description
        }
        let versions = await useCases.versionStatus(of: name, version: wanted)
        let isReady = versions.contains { $0.state == .available }
        if settings.prefers(.kserve, to: .tensorflow) {
            // Says why, if it is not.
            if !isReady { _ = try useCases.servable(name, version: wanted) }
        } else if versions.isEmpty {
            if let wanted {
                throw RepositoryError.versionNotFound(name: name, version: wanted)
            }
            throw RepositoryError.modelNotFound(name: name)
        }
        return .json(
            TensorFlowDocuments.status(
                versions,
                readiness: settings.contains(.kserve) ? (name: name, isReady: isReady) : nil))
    }
}

/// How errors of `/v1/models` are worded.
enum ModelsV1Errors {
    /// TensorFlow Serving, when a model is to compute.
    static let ofPrediction = ErrorForm { error, _ in
        .error(error, column: \.tensorFlow, words: predictionWords(error) ?? wording(error))
    }

    /// TensorFlow Serving, when a model is described.
    static let ofStatus = ErrorForm { error, _ in
        .error(error, column: \.tensorFlow, words: statusWords(error) ?? wording(error))
    }

    /// KServe.
    static let ofKServe = ErrorForm { error, _ in
        let words: String? =
            switch error {
            case RepositoryError.modelNotFound(let name):
                "Model with name \(name) does not exist."
            case RepositoryError.notReady(let name, _, _): "Model with name \(name) is not ready."
            default: wording(error)
            }
        return .error(error, words: words)
    }

    /// Nil for errors that TensorFlow Serving has no words of its own for.
    static func predictionWords(_ error: any Error) -> String? {
        switch error {
        case RepositoryError.modelNotFound(let name):
            "Servable not found for request: Latest(\(name))"
        case RepositoryError.versionNotFound(let name, let version):
            "Servable not found for request: Specific(\(name), \(version))"
        default: nil
        }
    }

    static func statusWords(_ error: any Error) -> String? {
        switch error {
        case RepositoryError.modelNotFound(let name):
            "Could not find any versions of model \(name)"
        case RepositoryError.versionNotFound(let name, let version):
            "Could not find version \(version) of model \(name)"
        default: nil
        }
    }

    /// What both say of a body that is no JSON.
    private static func wording(_ error: any Error) -> String? {
        guard case WireError.malformedJSON(let reason, let offset) = error else { return nil }
        return "JSON Parse error: \(reason) at offset: \(offset)"
    }
}
