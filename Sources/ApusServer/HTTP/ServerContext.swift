import ApusCore
import ApusMetrics
import Logging
import NIOCore
import Synchronization

/// What all connections of a server share.
final class ServerContext: Sendable {
    let configuration: HTTPServerConfiguration
    let useCases: UseCases
    let metrics: Metrics
    let accessLog: AccessLog
    let bodyMemory: ByteBudget
    let clientShares: ClientShares
    let access: AccessPolicy
    let admission: Admission
    let suspects = Suspects()
    let grpcMethods: GRPCMethods
    /// One by role: a metrics port answers fewer routes.
    private let inferenceRouter: Router
    private let metricsRouter: Router
    private let workCount = Atomic<Int>(0)
    private let logger: Logger

    init(
        configuration: HTTPServerConfiguration, useCases: UseCases, metrics: Metrics,
        accessLog: AccessLog, logger: Logger
    ) {
        self.logger = logger
        self.configuration = configuration
        self.useCases = useCases
        self.metrics = metrics
        self.accessLog = accessLog
        inferenceRouter = Router(role: .inference, dialects: configuration.dialects)
        metricsRouter = Router(role: .metrics, dialects: configuration.dialects)
        admission = Admission(countMax: configuration.connectionCountMax, metrics: metrics)
        access = AccessPolicy(
            allowsRemoteControl: configuration.allowsRemoteControl,
            hosts: configuration.allowedHosts, origins: configuration.corsAllowedOrigins)
        bodyMemory = ByteBudget(byteCountMax: configuration.bodyMemoryByteCountMax)
        clientShares = ClientShares(
            of: bodyMemory, byteCountMax: configuration.clientBodyMemoryByteCountMax,
            isByAddress: configuration.sharesBodyMemoryByAddress)
        grpcMethods = GRPCMethods(metrics: metrics.grpc, dialects: configuration.dialects)
    }

    func router(for role: HTTPServerConfiguration.Listener.Role) -> Router {
        switch role {
        case .inference, .grpc: inferenceRouter
        case .metrics: metricsRouter
        }
    }

    /// The answer to an error of a request. Our own mistakes are logged: their answers say little.
    func answer(to error: any Error, on exchange: Exchange) -> HTTPResponse {
        // What no other server says has no words of one.
        if case HTTPProblem.forbidden = error { return .error(error) }
        guard let errors = exchange.route?.endpoint.errors else {
            logIfOurs(error)
            return .error(error)
        }
        return answer(to: error, exchange.request, errors)
    }

    func answer(
        to error: any Error, _ request: HTTPRequest, _ errors: ErrorForm?
    ) -> HTTPResponse {
        logIfOurs(error)
        return errors?.answer(error, request) ?? .error(error)
    }

    /// The gRPC status of an error.
    func status(of error: any Error) -> GRPCStatus {
        logIfOurs(error)
        return GRPCStatus(error)
    }

    private func logIfOurs(_ error: any Error) {
        let kind = (error as? any ServingError)?.kind ?? .internal
        if kind == .internal, !(error is HTTPProblem), !(error is GRPCProblem) {
            logger.error("a request failed", metadata: ["error": "\(error)"])
        }
    }

    /// Counts a request that got no further than the server.
    func recordRefusal(_ error: any Error) {
        let reason =
            switch error {
            case let problem as HTTPProblem: RefusalReason(problem)
            case let problem as GRPCProblem: RefusalReason(problem)
            case let error as any ServingError: RefusalReason(error.kind)
            default: RefusalReason(.internal)
            }
        metrics.server.recordRefusal(reason)
    }

    /// Says that an event loop will be called back.
    func beginWork() { workCount.wrappingAdd(1, ordering: .relaxed) }

    /// Says that it was.
    func endWork() { workCount.wrappingSubtract(1, ordering: .releasing) }

    /// Whether nobody is going to call an event loop any more.
    var isIdle: Bool { workCount.load(ordering: .acquiring) == 0 }
}
