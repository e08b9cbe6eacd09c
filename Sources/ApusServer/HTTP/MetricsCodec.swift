import ApusMetrics

/// The route that Prometheus scrapes.
enum MetricsCodec {
    @Sendable static func exposition(
        _ useCases: UseCases, _ request: HTTPRequest
    ) async -> HTTPResponse {
        var response = HTTPResponse(.ok, .bytes(useCases.metrics.exposition()))
        response.contentType = .metrics
        return response
    }
}
