import ApusCore
import ApusMetrics
import ApusWire
import NIOCore

/// How an inference looks on the wire.
enum InferenceForm: Sendable {
    /// As in the Open Inference Protocol.
    case tensors
    /// Flat JSON, as in Triton's generate extension.
    case object
    /// The same, the answer as a server-sent event: a model gives one.
    case event
}

extension HTTPConnection {
    /// Decodes a request, hands it to the model, and encodes the answer when it comes.
    ///
    /// - Parameter dialect: the codec of another server's words; `form` means nothing then.
    func startInference(
        _ exchange: Exchange, _ form: InferenceForm, dialect: DialectInference? = nil
    ) {
        let arrivedNanoseconds = loop.nowNanoseconds
        let request = exchange.request
        // The tensors keep the body now, and free it when nobody needs it any more.
        exchange.body = nil
        let servable: any Servable
        var decoded: DecodedRequest
        let targets: [Int: SharedMemoryRegions.Target]
        var encode: DialectCall.Encode?
        do {
            if let dialect {
                let call = try dialect.prepare(server.useCases, request)
                servable = call.servable
                decoded = DecodedRequest(request: call.request, format: ResponseFormat())
                targets = [:]
                encode = call.encode
            } else {
                servable = try server.useCases.servable(
                    request.model ?? "", version: request.version)
                decoded =
                    form == .tensors
                    ? try decode(request, for: servable)
                    : try GenerateRequestDecoder.decode(
                        request.body, signature: servable.signature,
                        receivedNanoseconds: request.receivedNanoseconds,
                        cancellation: request.cancellation)
                targets = try server.useCases.sharedMemoryTargets(of: decoded.format)
            }
        } catch {
            server.recordRefusal(error)
            complete(exchange, server.answer(to: error, on: exchange))
            return
        }
        let trace = server.useCases.tracer.begin(
            servable.identity, requestID: decoded.request.id)
        if let trace {
            trace.mark("HTTP_RECV_START", exchange.receivedNanoseconds)
            trace.mark("HTTP_RECV_END", arrivedNanoseconds)
            trace.mark("REQUEST_START")
            decoded.request.stageTimes = trace.stages
        }
        let answer = InferenceAnswer(
            connection: NIOLoopBound((self, exchange), eventLoop: loop.eventLoop),
            servable: servable, form: form, format: decoded.format, targets: targets,
            encode: encode, trace: trace,
            metrics: server.useCases.metrics(of: servable))
        server.run(
            decoded, by: servable, arrivedNanoseconds: arrivedNanoseconds, on: loop,
            answer: answer.send)
    }

    private func decode(
        _ request: HTTPRequest, for servable: any Servable
    ) throws -> DecodedRequest {
        var headerByteCount: Int?
        if let text = request.inferenceHeaderLength {
            let count = try InferenceRequestDecoder.headerByteCount(
                text, bodyByteCount: request.body.count)
            if count == 0, request.body.count > 0 {
                return try RawRequestDecoder.decode(
                    request.body, signature: servable.signature,
                    hasBatchDimension: servable.configuration.maxBatchSize > 0,
                    receivedNanoseconds: request.receivedNanoseconds,
                    cancellation: request.cancellation)
            }
            headerByteCount = count
        }
        return try InferenceRequestDecoder.decode(
            request.body, headerByteCount: headerByteCount,
            sharedMemory: server.useCases.sharedMemory,
            receivedNanoseconds: request.receivedNanoseconds, cancellation: request.cancellation)
    }
}

/// What is needed to answer an inference when its result comes.
private struct InferenceAnswer: Sendable {
    let connection: NIOLoopBound<(HTTPConnection, Exchange)>
    /// Holds the version until its answer is written.
    let servable: any Servable
    let form: InferenceForm
    let format: ResponseFormat
    let targets: [Int: SharedMemoryRegions.Target]
    let encode: DialectCall.Encode?
    let trace: RequestTrace?
    let metrics: ModelMetrics?

    /// On the connection's event loop.
    func send(_ result: Result<InferenceResponse, any Error>) {
        let (connection, exchange) = connection.value
        guard connection.phase != .closed, exchange.response == nil else { return }
        let start = MonotonicClock.nowNanoseconds()
        exchange.onSent = sentAction(start, connection.server.useCases.tracer)
        do {
            let response = try connection.server.useCases.classified(
                try result.get(), as: format, by: servable)
            if !targets.isEmpty {
                try connection.server.useCases.store(response, in: targets)
            }
            if encode != nil || form != .tensors { try AnswerLength.checkText(of: response) }
            if let encode {
                connection.complete(exchange, try encode(response))
                return
            }
            let headers = exchange.head.echoedHeaders
            connection.complete(exchange, try encoded(response, headers, exchange, connection))
        } catch {
            connection.complete(exchange, connection.server.answer(to: error, on: exchange))
        }
    }

    /// What is to be noted when the answer is with the system.
    private func sentAction(_ start: UInt64, _ tracer: RequestTracer) -> (() -> Void)? {
        if let trace {
            trace.mark("REQUEST_END", start)
            return { [metrics] in
                let end = MonotonicClock.nowNanoseconds()
                metrics?.recordStage(.send, nanoseconds: end &- start)
                trace.mark("HTTP_SEND_START", start)
                trace.mark("HTTP_SEND_END", end)
                tracer.finish(trace)
            }
        }
        guard let metrics else { return nil }
        return {
            metrics.recordStage(.send, nanoseconds: MonotonicClock.nowNanoseconds() &- start)
        }
    }

    private func encoded(
        _ response: InferenceResponse, _ headers: [(name: String, value: String)],
        _ exchange: Exchange, _ connection: HTTPConnection
    ) throws -> HTTPResponse {
        switch form {
        case .tensors: return try encodedTensors(response, headers, exchange, connection)
        case .object: return .json(try GenerateResponseEncoder.json(response))
        case .event:
            var answer = HTTPResponse.json(try GenerateResponseEncoder.event(response))
            answer.contentType = .eventStream
            return answer
        }
    }

    private func encodedTensors(
        _ response: InferenceResponse, _ headers: [(name: String, value: String)],
        _ exchange: Exchange, _ connection: HTTPConnection
    ) throws -> HTTPResponse {
        let encoder = try InferenceResponseEncoder(response, format: format)
        if encoder.byteCountMax > Exchange.countedByteCountMin {
            exchange.answerMemory = try MemoryReservation(
                byteCount: encoder.byteCountMax, account: .process)
        }
        let headRoom = HTTP1ResponseWriter.headRoom(headers)
        var buffer = connection.loop.responseWriter.allocator.buffer(
            capacity: headRoom + encoder.byteCountMax)
        buffer.moveWriterIndex(to: headRoom)
        buffer.moveReaderIndex(to: headRoom)
        var lengths = InferenceResponseEncoder.Lengths(total: 0, header: nil)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: encoder.byteCountMax) { memory in
            guard let target = memory.baseAddress else { return 0 }
            lengths = encoder.write(to: target)
            return lengths.total
        }
        exchange.answerMemory?.shrink(to: lengths.total)
        var answer = HTTPResponse(.ok, .buffer(Guarded(buffer)))
        if let header = lengths.header {
            answer.contentType = .octetStream
            answer.inferenceHeaderByteCount = header
        }
        return answer
    }
}
