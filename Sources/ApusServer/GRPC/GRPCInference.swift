import ApusCore
import ApusMetrics
import ApusWire
import NIOCore

/// One inference over gRPC: decodes the request, hands it to the model, prepares the answer.
enum GRPCInference {
    /// An answer that can be written to where it is sent from.
    struct Answer {
        let encoder: any MessageEncoder
        fileprivate let metrics: ModelMetrics?
        fileprivate let startNanoseconds: UInt64
        fileprivate let trace: RequestTrace?
        fileprivate let tracer: RequestTracer

        /// To be called when it was handed to the system.
        func recordSent() {
            let end = MonotonicClock.nowNanoseconds()
            metrics?.recordStage(.send, nanoseconds: end &- startNanoseconds)
            guard let trace else { return }
            trace.mark("GRPC_SEND_START", startNanoseconds)
            trace.mark("GRPC_SEND_END", end)
            tracer.finish(trace)
        }
    }

    typealias Outcome = Result<Answer, GRPCFailure>

    /// - Parameters:
    ///   - dialect: the codec if it is not that of the Open Inference Protocol.
    ///   - isStreamed: whether the answer goes into a `ModelStreamInferResponse`.
    ///   - answer: called once, on the stream's event loop, perhaps before this returns.
    static func start(
        _ message: TensorBytes, on stream: GRPCStream, dialect: GRPCDialect? = nil,
        isStreamed: Bool = false, answer: @escaping @Sendable (Outcome) -> Void
    ) {
        let arrivedNanoseconds = stream.loop.nowNanoseconds
        let server = stream.server
        let servable: any Servable
        var decoded: DecodedRequest
        let targets: [Int: SharedMemoryRegions.Target]
        do {
            if let dialect {
                let call = try dialect.prepare(server.useCases, message)
                servable = call.servable
                decoded = DecodedRequest(
                    request: InferenceRequest(
                        inputs: call.inputs, requestedOutputs: call.requestedOutputs,
                        deadlineNanoseconds: stream.deadlineNanoseconds,
                        cancellation: stream.cancellation,
                        receivedNanoseconds: stream.messageReceivedNanoseconds),
                    format: ResponseFormat())
                targets = [:]
            } else {
                let message = try ProtobufInferenceDecoder.decode(
                    message, sharedMemory: server.useCases.sharedMemory,
                    receivedNanoseconds: stream.messageReceivedNanoseconds,
                    deadlineNanoseconds: stream.deadlineNanoseconds,
                    cancellation: stream.cancellation)
                decoded = message.decoded
                servable = try server.useCases.servable(
                    message.modelName, version: message.modelVersion)
                targets = try server.useCases.sharedMemoryTargets(of: decoded.format)
            }
        } catch {
            server.recordRefusal(error)
            let requestID = isStreamed ? ProtobufInferenceDecoder.id(of: message) : ""
            answer(.failure(GRPCFailure(status: server.status(of: error), requestID: requestID)))
            return
        }
        let trace = trace(decoded.request, servable, stream, arrivedNanoseconds)
        decoded.request.stageTimes = trace?.stages
        let finish = Finish(
            server: server, servable: servable, requestID: decoded.request.id,
            format: decoded.format, targets: targets, trace: trace, isStreamed: isStreamed,
            encode: dialect?.encode)
        server.run(
            decoded, by: servable, arrivedNanoseconds: arrivedNanoseconds,
            on: stream.loop
        ) { answer(finish.outcome($0)) }
    }

    /// A trace for this request if it is one of those that get one.
    private static func trace(
        _ request: InferenceRequest, _ servable: any Servable, _ stream: GRPCStream,
        _ arrivedNanoseconds: UInt64
    ) -> RequestTrace? {
        let trace = stream.server.useCases.tracer.begin(
            servable.identity, requestID: request.id)
        trace?.mark("GRPC_WAITREAD_START", request.receivedNanoseconds)
        trace?.mark("GRPC_WAITREAD_END", arrivedNanoseconds)
        trace?.mark("REQUEST_START")
        return trace
    }
}

/// What is needed to answer an inference when its result comes.
private struct Finish: Sendable {
    let server: ServerContext
    /// Holds the version until its answer is written.
    let servable: any Servable
    let requestID: String
    let format: ResponseFormat
    let targets: [Int: SharedMemoryRegions.Target]
    let trace: RequestTrace?
    let isStreamed: Bool
    let encode: (@Sendable (InferenceResponse) throws -> any MessageEncoder)?

    func outcome(_ result: Result<InferenceResponse, any Error>) -> GRPCInference.Outcome {
        let start = MonotonicClock.nowNanoseconds()
        trace?.mark("REQUEST_END", start)
        do {
            var response = try server.useCases.classified(
                try result.get(), as: format, by: servable)
            if !targets.isEmpty { try server.useCases.store(response, in: targets) }
            if isStreamed { response.parameters["triton_final_response"] = .bool(true) }
            return .success(
                GRPCInference.Answer(
                    encoder: try encode?(response)
                        ?? ProtobufInferenceEncoder(
                            response, format: format, isStreamed: isStreamed),
                    metrics: server.useCases.metrics(of: servable), startNanoseconds: start,
                    trace: trace, tracer: server.useCases.tracer))
        } catch {
            if let trace { server.useCases.tracer.finish(trace) }
            return .failure(GRPCFailure(status: server.status(of: error), requestID: requestID))
        }
    }
}
