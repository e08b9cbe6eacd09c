/// Why a request was refused before it reached a model.
public enum RefusalReason: Int, Sendable, CaseIterable {
    /// The body, a header or a tensor is wrong.
    case invalid
    /// No such model, version or route.
    case notFound
    /// The model is not ready, or the server is stopping.
    case unavailable
    /// A size limit.
    case tooLarge
    /// Understood, but not offered.
    case unsupported
    /// The client sent too slowly.
    case slowClient
    /// Not for whoever asks.
    case forbidden
    /// Our mistake.
    case `internal`

    /// The value of the label `reason`.
    public var label: String {
        switch self {
        case .invalid: "invalid"
        case .notFound: "not_found"
        case .unavailable: "unavailable"
        case .tooLarge: "too_large"
        case .unsupported: "unsupported"
        case .slowClient: "slow_client"
        case .forbidden: "forbidden"
        case .internal: "internal"
        }
    }
}

/// The kept handles of the front ends.
public final class ServerMetrics: Sendable {
    public let connections: Gauge
    public let receivedBytes: Counter
    public let sentBytes: Counter

    private let lease: SeriesLease
    private let refusals: [Counter]
    /// By index in `codes`; the last takes every other code.
    private let requestsByCode: [Counter]
    /// The position in `requestsByCode` of each code from 0 to 599.
    private let positions: [Int]

    /// Status codes with a series of their own; it exists from the start, at 0.
    private static let codes = [
        200, 202, 204, 206, 301, 302, 304, 400, 401, 403, 404, 405, 406, 408, 409, 411, 413, 414,
        415, 422, 429, 431, 499, 500, 501, 503, 504, 505,
    ]

    init(registry: MetricRegistry) {
        let lease = registry.makeLease()
        self.lease = lease
        connections = registry.gauge(MetricCatalogue.httpConnections, lease: lease)
        receivedBytes = registry.counter(MetricCatalogue.httpReceived, lease: lease)
        sentBytes = registry.counter(MetricCatalogue.httpSent, lease: lease)
        refusals = RefusalReason.allCases.map {
            registry.counter(MetricCatalogue.requestsRefused, [$0.label], lease: lease)
        }
        requestsByCode = (Self.codes.map { "\($0)" } + ["other"]).map {
            registry.counter(MetricCatalogue.httpRequests, [$0], lease: lease)
        }
        var positions = [Int](repeating: Self.codes.count, count: 600)
        for (position, code) in Self.codes.enumerated() { positions[code] = position }
        self.positions = positions
    }

    /// Counts an answered HTTP request.
    public func recordRequest(code: Int) {
        let position = positions.indices.contains(code) ? positions[code] : Self.codes.count
        requestsByCode[position].add()
    }

    /// Counts a request that was refused before it reached a model.
    public func recordRefusal(_ reason: RefusalReason) { refusals[reason.rawValue].add() }
}
