import ApusCore
import ApusRepository
import ApusWire

/// Routes under `/models`, with which TorchServe's management interface and SageMaker's multi-model
/// containers load and unload. A body that names the model is SageMaker's, a query TorchServe's.
///
/// - Source: TorchServe, "Management API"; SageMaker, "Multi-model endpoints".
enum ModelManagementCodec {
    static func endpoints(_ settings: DialectSettings) -> [Endpoint] {
        let isTorchServe = settings.contains(.torchserve)
        guard isTorchServe || settings.contains(.sagemaker) else { return [] }
        let isFirst = isTorchServe && settings.prefers(.torchserve, to: .sagemaker)
        let errors = isFirst ? TorchServeCodec.errors : SageMakerCodec.errors
        var endpoints = [
            Endpoint(.post, "/models", .eventually(load), errors: errors),
            Endpoint(.get, "/models", .direct(list), errors: errors),
            Endpoint(
                .get, "/models/{model}", .direct(isFirst ? describe : show), errors: errors),
            Endpoint(.delete, "/models/{model}", .eventually(unload), errors: errors),
        ]
        guard isTorchServe else { return endpoints }
        let torch = TorchServeCodec.errors
        endpoints += [
            Endpoint(.get, "/models/{model}/{version}", .direct(describe), errors: torch),
            Endpoint(.get, "/models/{model}/all", .direct(describe), errors: torch),
            Endpoint(.put, "/models/{model}", .direct(scale), errors: torch),
            Endpoint(.put, "/models/{model}/{version}", .direct(scale), errors: torch),
            Endpoint(.delete, "/models/{model}/{version}", .eventually(unload), errors: torch),
            Endpoint(
                .put, "/models/{model}/{version}/set-default", .direct(setDefault), errors: torch),
        ]
        return endpoints
    }

    // MARK: Loading

    @Sendable private static func load(
        _ useCases: UseCases, _ request: HTTPRequest
    ) async throws -> HTTPResponse {
        if let wish = try SageMakerDocuments.load(request.body) {
            if useCases.modelNames().contains(wish.modelName) {
                var response = HTTPResponse.json(
                    TorchServeDocuments.status("Model \"\(wish.modelName)\" is already loaded"))
                response.status = .conflict
                return response
            }
            try await useCases.load(wish.modelName, options: ModelLoadOptions())
            return .json(TorchServeDocuments.status("Model \"\(wish.modelName)\" loaded"))
        }
        let query = request.query
        guard
            let name = query["model_name"].flatMap({ $0.isEmpty ? nil : $0 })
                ?? query["url"].map(modelName)
        else { throw WireError.request("Parameter url is required.") }
        try await useCases.load(name, options: ModelLoadOptions())
        let version = try useCases.servable(name, version: nil).identity.version
        let isScaled = (query["initial_workers"].flatMap { Int($0) } ?? 0) > 0
        return .json(
            TorchServeDocuments.status(
                "Model \"\(name)\" Version: \(version) registered"
                    + (isScaled ? " with \(query["initial_workers"] ?? "1") initial workers" : "")))
    }

    /// The model that an archive's path or address means: its last part without ending.
    private static func modelName(_ url: String) -> String {
        let last = url.split(separator: "/").last.map(String.init) ?? url
        for ending in [".mar", ".onnx", ".tar.gz", ".zip"] where last.hasSuffix(ending) {
            return String(last.dropLast(ending.count))
        }
        return last
    }

    @Sendable private static func unload(
        _ useCases: UseCases, _ request: HTTPRequest
    ) async throws -> HTTPResponse {
        let name = request.model ?? ""
        let version = try ModelsV1Codec.version(request)
        _ = try useCases.servable(name, version: version)
        try await useCases.unload(name, version: version)
        return .json(TorchServeDocuments.status("Model \"\(name)\" unregistered"))
    }

    /// Workers are planned within the core budget; a wish for them is understood and met by that.
    @Sendable private static func scale(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        let servable = try useCases.servable(
            request.model ?? "", version: try ModelsV1Codec.version(request))
        if request.query["min_worker"] == "0", request.query["max_worker"] == "0" {
            throw WireError.unsupported("a model without workers: unregister it instead")
        }
        let count = max(servable.configuration.instanceCount, 1)
        var response = HTTPResponse.json(
            TorchServeDocuments.status(
                "Workers scaled to \(count) for model: \(servable.identity.name)"))
        if request.query["synchronous"]?.lowercased() != "true" { response.status = .accepted }
        return response
    }

    @Sendable private static func setDefault(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        let name = request.model ?? ""
        let wanted = try useCases.servable(name, version: try ModelsV1Codec.version(request))
        let version = wanted.identity.version.description
        try useCases.changeAlias(ModelAliases.defaultName, of: name, to: version)
        return .json(
            TorchServeDocuments.status(
                "Default version successfully updated for model \"\(name)\" to "
                    + "\"\(version)\""))
    }

    // MARK: Description

    @Sendable private static func list(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        let names = useCases.modelNames()
        let query = request.query
        let start = min(max(query["next_page_token"].flatMap { Int($0) } ?? 0, 0), names.count)
        let limit = max(query["limit"].flatMap { Int($0) } ?? 100, 1)
        let page = names[start...].prefix(limit)
        return .json(
            SageMakerDocuments.models(
                page.map { (name: $0, url: $0) },
                nextPageToken: page.endIndex < names.count ? "\(page.endIndex)" : nil))
    }

    /// SageMaker's form.
    @Sendable private static func show(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        let name = try useCases.servable(request.model ?? "", version: nil).identity.name.text
        return .json(SageMakerDocuments.model(name: name, url: name))
    }

    /// TorchServe's form; all versions if the path ends so.
    @Sendable private static func describe(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        let servable = try useCases.servable(
            request.model ?? "", version: try ModelsV1Codec.version(request))
        let isAll = request.target.prefix { $0 != "?" }.hasSuffix("/all")
        let shown =
            isAll
            ? useCases.catalogue.readyVersions(of: servable.identity.name.text) : [servable]
        return .json(
            TorchServeDocuments.descriptions(
                shown.map { servable in
                    let batching = servable.configuration.dynamicBatching
                    return TorchServeDocuments.Description(
                        name: servable.identity.name.text,
                        version: servable.identity.version.description,
                        batchSize: max(servable.configuration.maxBatchSize, 1),
                        maxBatchDelayMilliseconds: Int(
                            clamping: (batching?.maxQueueDelayMicroseconds ?? 0) / 1000),
                        instanceCount: max(servable.configuration.instanceCount, 1))
                }))
    }
}
