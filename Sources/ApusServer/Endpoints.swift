/// Every route of HTTP: method, path, what answers it, and on which ports. `{model}`, `{version}`
/// and `{repository}` stand for one part of the path; a version is digits only, an alias is a name for
/// one.
///
/// - Source: Open Inference Protocol; Triton's extensions.
enum Endpoints {
    static let all: [Endpoint] = [
        // The busiest first: they are looked through in order.
        .init(.post, "/v2/models/{model}/infer", .inference),
        .init(.post, "/v2/models/{model}/versions/{version}/infer", .inference),

        .init(.get, "/v2/health/live", .direct(HealthCodec.live), on: .all),
        .init(.get, "/v2/health/ready", .direct(HealthCodec.ready), on: .all),
        .init(.get, "/livez", .direct(HealthCodec.live), on: .all),
        .init(.get, "/readyz", .direct(HealthCodec.ready), on: .all),
        .init(.get, "/v2/models/{model}/ready", .direct(HealthCodec.modelReady)),
        .init(
            .get, "/v2/models/{model}/versions/{version}/ready", .direct(HealthCodec.modelReady)),

        .init(
            .get, "/metrics", .eventually(MetricsCodec.exposition), on: .all, compressed: true),

        .init(.get, "/v2", .direct(MetadataCodec.server)),
        .init(.get, "/v2/models", .direct(MetadataCodec.models)),
        .init(.get, "/v2/models/stats", .direct(MetadataCodec.statistics)),
        .init(.get, "/v2/models/{model}", .direct(MetadataCodec.model)),
        .init(.get, "/v2/models/{model}/versions/{version}", .direct(MetadataCodec.model)),
        .init(.get, "/v2/models/{model}/config", .direct(MetadataCodec.configuration)),
        .init(
            .get, "/v2/models/{model}/versions/{version}/config",
            .direct(MetadataCodec.configuration)),
        .init(.post, "/v2/models/{model}/generate", .generation(isStreamed: false)),
        .init(.post, "/v2/models/{model}/generate_stream", .generation(isStreamed: true)),
        .init(
            .post, "/v2/models/{model}/versions/{version}/generate",
            .generation(isStreamed: false)),
        .init(
            .post, "/v2/models/{model}/versions/{version}/generate_stream",
            .generation(isStreamed: true)),
        .init(.get, "/v2/models/{model}/aliases", .direct(AliasCodec.all)),
        .init(.post, "/v2/models/{model}/aliases/{alias}", .direct(AliasCodec.change)),
        .init(.get, "/v2/models/{model}/aliases/{alias}", .direct(MetadataCodec.model)),
        .init(.get, "/v2/models/{model}/aliases/{alias}/ready", .direct(HealthCodec.modelReady)),
        .init(.post, "/v2/models/{model}/aliases/{alias}/infer", .inference),
        .init(.get, "/v2/models/{model}/stats", .direct(MetadataCodec.statistics)),
        .init(
            .get, "/v2/models/{model}/versions/{version}/stats",
            .direct(MetadataCodec.statistics)),

        .init(
            .post, "/v2/repository/index", .eventually(RepositoryCodec.index), effect: .reads),
        .init(.post, "/v2/repository/models/{model}/load", .eventually(RepositoryCodec.load)),
        .init(.post, "/v2/repository/models/{model}/unload", .eventually(RepositoryCodec.unload)),
        .init(
            .post, "/v2/repository/models/{model}/versions/{version}/load",
            .eventually(RepositoryCodec.load)),
        .init(
            .post, "/v2/repository/models/{model}/versions/{version}/unload",
            .eventually(RepositoryCodec.unload)),
        .init(
            .post, "/v2/repository/{repository}/index", .direct(RepositoryCodec.named),
            effect: .reads),
        .init(
            .post, "/v2/repository/{repository}/models/{model}/load",
            .direct(RepositoryCodec.named)),
        .init(
            .post, "/v2/repository/{repository}/models/{model}/unload",
            .direct(RepositoryCodec.named)),

        .init(.get, "/openapi.json", .direct(DocsCodec.openAPI), compressed: true),
        .init(.get, "/docs", .direct(DocsCodec.page), compressed: true),

        .init(.get, "/v2/trace/setting", .direct(SettingsCodec.trace)),
        .init(.post, "/v2/trace/setting", .direct(SettingsCodec.changeTrace)),
        .init(.get, "/v2/models/{model}/trace/setting", .direct(SettingsCodec.trace)),
        .init(.post, "/v2/models/{model}/trace/setting", .direct(SettingsCodec.changeTrace)),
        .init(.get, "/v2/logging", .direct(SettingsCodec.log)),
        .init(.post, "/v2/logging", .direct(SettingsCodec.changeLog)),

        .init(.get, "/v2/systemsharedmemory/status", .direct(SharedMemoryCodec.status)),
        .init(
            .get, "/v2/systemsharedmemory/region/{name}/status", .direct(SharedMemoryCodec.status)),
        .init(
            .post, "/v2/systemsharedmemory/region/{name}/register",
            .direct(SharedMemoryCodec.register)),
        .init(.post, "/v2/systemsharedmemory/unregister", .direct(SharedMemoryCodec.unregister)),
        .init(
            .post, "/v2/systemsharedmemory/region/{name}/unregister",
            .direct(SharedMemoryCodec.unregister)),
        .init(.get, "/v2/cudasharedmemory/status", .direct(SharedMemoryCodec.cudaStatus)),
        .init(
            .get, "/v2/cudasharedmemory/region/{name}/status",
            .direct(SharedMemoryCodec.cudaStatus)),
        .init(
            .post, "/v2/cudasharedmemory/region/{name}/register",
            .direct(SharedMemoryCodec.cudaRegister)),
        .init(.post, "/v2/cudasharedmemory/unregister", .direct(SharedMemoryCodec.cudaUnregister)),
        .init(
            .post, "/v2/cudasharedmemory/region/{name}/unregister",
            .direct(SharedMemoryCodec.cudaUnregister)),
    ]
}
