import ApusCore
import ApusMetrics
import ApusWire
import NIOCore

/// One inference over gRPC: decodes the request, hands it to the model, prepares the answer.
enum GRPCInference {
    /// An answer that can be sent.
    struct Answer: Sendable {
        /// The message in its frame.
        let frame: ByteBuffer
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
        let intake = GRPCIntake(
            useCases: stream.server.useCases, message: message, dialect: dialect,
            deadlineNanoseconds: stream.deadlineNanoseconds,
            receivedNanoseconds: stream.messageReceivedNanoseconds,
            cancellation: stream.cancellation)
        let workByteCount = intake.workByteCount
        guard workByteCount > ServerLoop.inlineByteCountMax else {
            run(
                Result { try intake.prepare() }, message, on: stream, isStreamed,
                arrivedNanoseconds, answer)
            return
        }
        stream.loop.elsewhere(stream.server, byteCount: workByteCount) {
            try intake.prepare()
        } then: {
            run($0, message, on: stream, isStreamed, arrivedNanoseconds, answer)
        }
    }

    private static func run(
        _ result: Result<PreparedInference, any Error>, _ message: TensorBytes,
        on stream: GRPCStream, _ isStreamed: Bool, _ arrivedNanoseconds: UInt64,
        _ answer: @escaping @Sendable (Outcome) -> Void
    ) {
        let server = stream.server
        var prepared: PreparedInference
        do { prepared = try result.get() } catch {
            server.recordRefusal(error)
            let requestID = isStreamed ? ProtobufInferenceDecoder.id(of: message) : ""
            answer(.failure(GRPCFailure(status: server.status(of: error), requestID: requestID)))
            return
        }
        let servable = prepared.servable
        let trace = trace(prepared.decoded.request, servable, stream, arrivedNanoseconds)
        prepared.decoded.request.stageTimes = trace?.stages
        let finish = Finish(
            server: server, servable: servable, requestID: prepared.decoded.request.id,
            format: prepared.decoded.format, targets: prepared.targets, trace: trace,
            isStreamed: isStreamed, encode: prepared.encodeMessage, writer: stream.writer)
        let bound = NIOLoopBound(stream.loop, eventLoop: stream.loop.eventLoop)
        server.run(
            prepared.decoded, by: servable, arrivedNanoseconds: arrivedNanoseconds,
            on: stream.loop
        ) { result in
            let workByteCount = finish.workByteCount(of: result)
            guard workByteCount > ServerLoop.inlineByteCountMax else {
                answer(finish.outcome(result))
                return
            }
            bound.value.elsewhere(server, byteCount: workByteCount) {
                finish.outcome(result)
            } then: { outcome in
                if let outcome = try? outcome.get() { answer(outcome) }
            }
        }
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

/// A message that has arrived and is to be decoded; on any thread.
private struct GRPCIntake: Sendable {
    let useCases: UseCases
    let message: TensorBytes
    let dialect: GRPCDialect?
    let deadlineNanoseconds: UInt64?
    let receivedNanoseconds: UInt64
    let cancellation: CancellationFlag

    /// About how many bytes must be read one by one.
    var workByteCount: Int {
        guard message.count > ServerLoop.inlineByteCountMax else { return message.count }
        // Raw numbers stay where they are; typed contents and strings are taken apart.
        let start = UnsafeRawBufferPointer(
            start: message.pointer, count: ServerLoop.inlineByteCountMax)
        guard let offset = ProtobufInferenceDecoder.rawContentsOffset(inFirst: start),
            UnsafeRawBufferPointer(rebasing: start[..<min(offset, start.count)])
                .firstRange(of: Array("BYTES".utf8)) == nil
        else { return message.count }
        return offset
    }

    func prepare() throws -> PreparedInference {
        if let dialect {
            let call = try dialect.prepare(useCases, message)
            let request = InferenceRequest(
                inputs: call.inputs, requestedOutputs: call.requestedOutputs,
                deadlineNanoseconds: deadlineNanoseconds, cancellation: cancellation,
                receivedNanoseconds: receivedNanoseconds)
            return PreparedInference(
                servable: call.servable,
                decoded: DecodedRequest(request: request, format: ResponseFormat()),
                targets: [:], encode: nil, encodeMessage: dialect.encode)
        }
        let decoded = try ProtobufInferenceDecoder.decode(
            message, sharedMemory: useCases.sharedMemory,
            receivedNanoseconds: receivedNanoseconds, deadlineNanoseconds: deadlineNanoseconds,
            cancellation: cancellation)
        return PreparedInference(
            servable: try useCases.servable(decoded.modelName, version: decoded.modelVersion),
            decoded: decoded.decoded,
            targets: try useCases.sharedMemoryTargets(of: decoded.decoded.format), encode: nil)
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
    let writer: MessageWriter

    /// About how much work an answer is, in bytes.
    func workByteCount(of result: Result<InferenceResponse, any Error>) -> Int {
        guard let response = try? result.get() else { return 0 }
        return response.workByteCount { index in
            writer.compression != nil || format.output(at: index).classCount > 0
        }
    }

    /// On any thread.
    func outcome(_ result: Result<InferenceResponse, any Error>) -> GRPCInference.Outcome {
        let start = MonotonicClock.nowNanoseconds()
        trace?.mark("REQUEST_END", start)
        do {
            var response = try server.useCases.classified(
                try result.get(), as: format, by: servable)
            if !targets.isEmpty { try server.useCases.store(response, in: targets) }
            if isStreamed { response.parameters["triton_final_response"] = .bool(true) }
            let encoder: any MessageEncoder =
                try encode?(response)
                ?? ProtobufInferenceEncoder(response, format: format, isStreamed: isStreamed)
            let frame = try writer.frame(byteCount: encoder.byteCount) { encoder.write(to: $0) }
            return .success(
                GRPCInference.Answer(
                    frame: frame,
                    metrics: server.useCases.metrics(of: servable), startNanoseconds: start,
                    trace: trace, tracer: server.useCases.tracer))
        } catch {
            if let trace { server.useCases.tracer.finish(trace) }
            return .failure(GRPCFailure(status: server.status(of: error), requestID: requestID))
        }
    }
}
