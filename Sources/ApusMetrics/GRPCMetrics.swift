import Dispatch

/// The kept handles of the gRPC front.
///
/// `@unchecked Sendable` because `failures` is touched only on `queue`.
public final class GRPCMetrics: @unchecked Sendable {
    public let connections: Gauge
    public let receivedBytes: Counter
    public let sentBytes: Counter
    /// By reason.
    private let ended: [String: Counter]

    private struct Failure: Hashable {
        let method: String
        let code: String
    }

    private let registry: MetricRegistry
    private let lease: SeriesLease
    private let queue = DispatchQueue(label: "apus.metrics.grpc")
    /// The series of calls that did not end well; they exist from the first one on.
    private var failures: [Failure: Counter] = [:]

    init(registry: MetricRegistry) {
        let lease = registry.makeLease()
        self.registry = registry
        self.lease = lease
        connections = registry.gauge(MetricCatalogue.grpcConnections, lease: lease)
        receivedBytes = registry.counter(MetricCatalogue.grpcReceived, lease: lease)
        sentBytes = registry.counter(MetricCatalogue.grpcSent, lease: lease)
        var ended: [String: Counter] = [:]
        for reason in ["resets", "control", "unread_data"] {
            ended[reason] = registry.counter(
                MetricCatalogue.grpcConnectionsEnded, [reason], lease: lease)
        }
        self.ended = ended
    }

    /// Counts a connection that was ended because it kept the server busy for nothing.
    ///
    /// - Parameter reason: resets, control or unread_data.
    public func recordEnded(_ reason: String) { ended[reason]?.add() }

    /// The series of a method's calls that end well; it exists from now on.
    public func successes(of method: String) -> Counter {
        registry.counter(MetricCatalogue.grpcRequests, [method, "OK"], lease: lease)
    }

    /// Counts a call that did not end well.
    ///
    /// - Parameters:
    ///   - method: one of a fixed set: every name makes a series.
    ///   - code: the status code's name.
    public func recordFailure(method: String, code: String) {
        let failure = Failure(method: method, code: code)
        let counter = queue.sync {
            if let known = failures[failure] { return known }
            let counter = registry.counter(
                MetricCatalogue.grpcRequests, [method, code], lease: lease)
            failures[failure] = counter
            return counter
        }
        counter.add()
    }
}
