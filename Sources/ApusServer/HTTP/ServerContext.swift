import ApusMetrics
import NIOCore
import Synchronization

/// What all connections of a server share.
final class ServerContext: Sendable {
    let configuration: HTTPServerConfiguration
    let useCases: UseCases
    let metrics: Metrics
    let accessLog: AccessLog
    let bodyMemory: ByteBudget
    /// One by role: a metrics port answers fewer routes.
    private let inferenceRouter = Router(role: .inference)
    private let metricsRouter = Router(role: .metrics)
    private let connectionCount = Atomic<Int>(0)

    init(
        configuration: HTTPServerConfiguration, useCases: UseCases, metrics: Metrics,
        accessLog: AccessLog
    ) {
        self.configuration = configuration
        self.useCases = useCases
        self.metrics = metrics
        self.accessLog = accessLog
        bodyMemory = ByteBudget(byteCountMax: configuration.bodyMemoryByteCountMax)
    }

    func router(for role: HTTPServerConfiguration.Listener.Role) -> Router {
        switch role {
        case .inference: inferenceRouter
        case .metrics: metricsRouter
        }
    }

    /// Counts a connection in.
    ///
    /// - Returns: false, with nothing counted, if there are too many.
    func admitConnection() -> Bool {
        let (_, after) = connectionCount.wrappingAdd(1, ordering: .relaxed)
        guard after <= configuration.connectionCountMax else {
            connectionCount.wrappingSubtract(1, ordering: .relaxed)
            return false
        }
        metrics.server.connections.add(1)
        return true
    }

    func releaseConnection() {
        connectionCount.wrappingSubtract(1, ordering: .relaxed)
        metrics.server.connections.subtract(1)
    }
}
