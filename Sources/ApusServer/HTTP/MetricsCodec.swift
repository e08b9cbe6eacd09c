import ApusMetrics

/// The route that Prometheus scrapes.
enum MetricsCodec {
    /// `?name[]=…`, which may stand more than once, asks for some metrics only.
    @Sendable static func exposition(
        _ useCases: UseCases, _ request: HTTPRequest
    ) async -> HTTPResponse {
        let names = Set(QueryText.values(named: "name[]", of: request.target))
        var response = HTTPResponse(.ok, .bytes(useCases.metrics.exposition(names: names)))
        response.contentType = .metrics
        return response
    }
}
