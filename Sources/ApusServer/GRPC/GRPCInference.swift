import ApusCore
import ApusMetrics
import ApusWire
import NIOCore

/// One inference over gRPC: decodes the request, hands it to the model, prepares the answer.
enum GRPCInference {
    /// An answer that can be written to where it is sent from.
    struct Answer {
        let encoder: ProtobufInferenceEncoder
        fileprivate let metrics: ModelMetrics?
        fileprivate let startNanoseconds: UInt64

        /// To be called when it was handed to the system.
        func recordSent() {
            metrics?.recordStage(
                .send, nanoseconds: MonotonicClock.nowNanoseconds() &- startNanoseconds)
        }
    }

    typealias Outcome = Result<Answer, GRPCFailure>

    /// - Parameters:
    ///   - isStreamed: whether the answer goes into a `ModelStreamInferResponse`.
    ///   - answer: called once, on the stream's event loop, perhaps before this returns.
    static func start(
        _ message: TensorBytes, on stream: GRPCStream, isStreamed: Bool = false,
        answer: @escaping @Sendable (Outcome) -> Void
    ) {
        let arrivedNanoseconds = stream.loop.nowNanoseconds
        let server = stream.server
        let servable: any Servable
        let decoded: DecodedRequest
        do {
            let message = try ProtobufInferenceDecoder.decode(
                message, receivedNanoseconds: stream.messageReceivedNanoseconds,
                deadlineNanoseconds: stream.deadlineNanoseconds,
                cancellation: stream.cancellation)
            decoded = message.decoded
            servable = try server.useCases.servable(
                message.modelName, version: message.modelVersion)
        } catch {
            server.recordRefusal(error)
            let requestID = isStreamed ? ProtobufInferenceDecoder.id(of: message) : ""
            answer(.failure(GRPCFailure(status: server.status(of: error), requestID: requestID)))
            return
        }
        let requestID = decoded.request.id
        server.run(
            decoded, by: servable, arrivedNanoseconds: arrivedNanoseconds,
            on: stream.loop.eventLoop
        ) { result in
            let start = MonotonicClock.nowNanoseconds()
            do {
                var response = try server.useCases.classified(
                    try result.get(), as: decoded.format, by: servable)
                if isStreamed { response.parameters["triton_final_response"] = .bool(true) }
                answer(
                    .success(
                        Answer(
                            encoder: try ProtobufInferenceEncoder(
                                response, isStreamed: isStreamed),
                            metrics: server.useCases.metrics(of: servable),
                            startNanoseconds: start)))
            } catch {
                answer(
                    .failure(
                        GRPCFailure(status: server.status(of: error), requestID: requestID)))
            }
        }
    }
}
