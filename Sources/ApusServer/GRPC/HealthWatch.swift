import ApusCore
import ApusWire
import SwiftProtobuf

/// `Watch` of the health service: says how a service is, and again whenever that changes.
///
/// - Source: gRPC, "GRPC Health Checking Protocol".
final class HealthWatch: GRPCCall {
    private typealias Status = Grpc_Health_V1_HealthCheckResponse.ServingStatus

    private unowned let stream: GRPCStream
    private var service: String?
    private var lastStatus: Status?

    init(_ stream: GRPCStream) { self.stream = stream }

    func receive(_ message: TensorBytes) {
        guard service == nil else {
            stream.finish(GRPCStatus(GRPCProblem.messageCount))
            return
        }
        do {
            service = try Grpc_Health_V1_HealthCheckRequest(message).service
            tick()
        } catch {
            stream.finish(GRPCStatus(error))
        }
    }

    func receiveEnd() {
        if service == nil { stream.finish(GRPCStatus(GRPCProblem.messageCount)) }
    }

    func tick() {
        guard let service, stream.isWritable else { return }
        let status = HealthMessages.status(of: service, stream.server.useCases)
        guard status != lastStatus else { return }
        lastStatus = status
        do {
            let response = Grpc_Health_V1_HealthCheckResponse.with { $0.status = status }
            stream.send(try response.encoded(), isLast: false)
        } catch {
            stream.finish(GRPCStatus(error))
        }
    }

    func drain() {
        tick()
        stream.finish(GRPCStatus(ServerError.stopping))
    }
}
