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
        let intake = InferenceIntake(
            useCases: server.useCases, request: exchange.request, form: form, dialect: dialect)
        // The tensors keep the body now, and free it when nobody needs it any more.
        exchange.body = nil
        guard intake.workByteCount > ServerLoop.inlineByteCountMax else {
            do {
                run(exchange, try intake.prepare(), form, arrivedNanoseconds)
            } catch {
                refuse(exchange, error)
            }
            return
        }
        loop.elsewhere(server, byteCount: intake.workByteCount) {
            try intake.prepare()
        } then: { result in
            guard self.phase != .closed, exchange.response == nil else { return }
            do {
                self.run(exchange, try result.get(), form, arrivedNanoseconds)
            } catch {
                self.refuse(exchange, error)
            }
        }
    }

    /// Answers a request that got no further than here.
    private func refuse(_ exchange: Exchange, _ error: any Error) {
        server.recordRefusal(error)
        complete(exchange, server.answer(to: error, on: exchange))
    }

    private func run(
        _ exchange: Exchange, _ prepared: consuming PreparedInference, _ form: InferenceForm,
        _ arrivedNanoseconds: UInt64
    ) {
        let servable = prepared.servable
        let trace = server.useCases.tracer.begin(
            servable.identity, requestID: prepared.decoded.request.id)
        if let trace {
            trace.mark("HTTP_RECV_START", exchange.receivedNanoseconds)
            trace.mark("HTTP_RECV_END", arrivedNanoseconds)
            trace.mark("REQUEST_START")
            prepared.decoded.request.stageTimes = trace.stages
        }
        let answer = InferenceAnswer(
            connection: NIOLoopBound((self, exchange), eventLoop: loop.eventLoop),
            server: server, servable: servable, form: form, format: prepared.decoded.format,
            targets: prepared.targets, encode: prepared.encode, trace: trace,
            metrics: server.useCases.metrics(of: servable), headers: exchange.addedHeaders,
            allocator: loop.responseWriter.allocator)
        server.run(
            prepared.decoded, by: servable, arrivedNanoseconds: arrivedNanoseconds, on: loop,
            answer: answer.send)
    }
}

/// A request that can go to its model.
struct PreparedInference: Sendable {
    let servable: any Servable
    var decoded: DecodedRequest
    let targets: [Int: SharedMemoryRegions.Target]
    /// Nil = in the form of the Open Inference Protocol.
    let encode: DialectCall.Encode?
    /// The same for messages of gRPC.
    var encodeMessage: (@Sendable (InferenceResponse) throws -> any MessageEncoder)?
}

/// A request that has arrived and is to be decoded; on any thread.
struct InferenceIntake: Sendable {
    let useCases: UseCases
    let request: HTTPRequest
    let form: InferenceForm
    let dialect: DialectInference?

    /// About how many bytes must be read one by one.
    var workByteCount: Int {
        let byteCount = request.body.count
        guard byteCount > ServerLoop.inlineByteCountMax, dialect == nil, form == .tensors,
            let header = request.inferenceHeaderLength.flatMap({ Int($0) }), header <= byteCount
        else { return byteCount }
        // Numbers behind the JSON part stay where they are, strings are taken apart.
        let text = UnsafeRawBufferPointer(start: request.body.pointer, count: header)
        let hasStrings = header == 0 || text.firstRange(of: Array("BYTES".utf8)) != nil
        return hasStrings ? byteCount : header
    }

    func prepare() throws -> PreparedInference {
        if let dialect {
            let call = try dialect.prepare(useCases, request)
            return PreparedInference(
                servable: call.servable,
                decoded: DecodedRequest(request: call.request, format: ResponseFormat()),
                targets: [:], encode: call.encode)
        }
        let servable = try useCases.servable(request.model ?? "", version: request.version)
        let decoded =
            form == .tensors
            ? try decode(for: servable)
            : try GenerateRequestDecoder.decode(
                request.body, signature: servable.signature,
                receivedNanoseconds: request.receivedNanoseconds,
                cancellation: request.cancellation)
        return PreparedInference(
            servable: servable, decoded: decoded,
            targets: try useCases.sharedMemoryTargets(of: decoded.format), encode: nil)
    }

    private func decode(for servable: any Servable) throws -> DecodedRequest {
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
            request.body, headerByteCount: headerByteCount, sharedMemory: useCases.sharedMemory,
            receivedNanoseconds: request.receivedNanoseconds, cancellation: request.cancellation)
    }
}

/// What is needed to answer an inference when its result comes.
private struct InferenceAnswer: Sendable {
    let connection: NIOLoopBound<(HTTPConnection, Exchange)>
    let server: ServerContext
    /// Holds the version until its answer is written.
    let servable: any Servable
    let form: InferenceForm
    let format: ResponseFormat
    let targets: [Int: SharedMemoryRegions.Target]
    let encode: DialectCall.Encode?
    let trace: RequestTrace?
    let metrics: ModelMetrics?
    /// Of the answer, beside its own.
    let headers: [(name: String, value: String)]
    let allocator: ByteBufferAllocator

    /// On the connection's event loop.
    func send(_ result: Result<InferenceResponse, any Error>) {
        let (connection, exchange) = connection.value
        guard connection.phase != .closed, exchange.response == nil else { return }
        let start = MonotonicClock.nowNanoseconds()
        exchange.onSent = sentAction(start, server.useCases.tracer)
        do {
            let response = try result.get()
            let workByteCount = workByteCount(of: response)
            guard workByteCount > ServerLoop.inlineByteCountMax else {
                connection.complete(exchange, try encoded(response))
                return
            }
            connection.loop.elsewhere(server, byteCount: workByteCount) {
                try encoded(response)
            } then: {
                do { connection.complete(exchange, try $0.get()) } catch {
                    connection.complete(exchange, server.answer(to: error, on: exchange))
                }
            }
        } catch {
            connection.complete(exchange, server.answer(to: error, on: exchange))
        }
    }

    /// About how many bytes must be written one by one.
    private func workByteCount(of response: InferenceResponse) -> Int {
        response.workByteCount { index in
            let output = format.output(at: index)
            return encode != nil || form != .tensors || output.form != .binary
                || output.classCount > 0
        }
    }

    /// On any thread.
    private func encoded(_ result: InferenceResponse) throws -> HTTPResponse {
        let response = try server.useCases.classified(result, as: format, by: servable)
        if !targets.isEmpty { try server.useCases.store(response, in: targets) }
        let answer = try encode.map { try $0(response) } ?? encodedInForm(response)
        return answer.readyToSend(adding: headers, allocator)
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

    private func encodedInForm(_ response: InferenceResponse) throws -> HTTPResponse {
        switch form {
        case .tensors: return try encodedTensors(response)
        case .object: return .json(try GenerateResponseEncoder.json(response))
        case .event:
            var answer = HTTPResponse.json(try GenerateResponseEncoder.event(response))
            answer.contentType = .eventStream
            return answer
        }
    }

    /// Shorter answers are not counted.
    private static let countedByteCountMin = 64 << 10

    private func encodedTensors(_ response: InferenceResponse) throws -> HTTPResponse {
        let encoder = try InferenceResponseEncoder(response, format: format)
        let memory =
            encoder.byteCountMax > Self.countedByteCountMin
            ? try MemoryReservation(byteCount: encoder.byteCountMax, account: .process) : nil
        let headRoom = HTTP1ResponseWriter.headRoom(headers)
        var buffer = allocator.buffer(capacity: headRoom + encoder.byteCountMax)
        buffer.moveWriterIndex(to: headRoom)
        buffer.moveReaderIndex(to: headRoom)
        var lengths = InferenceResponseEncoder.Lengths(total: 0, header: nil)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: encoder.byteCountMax) { memory in
            guard let target = memory.baseAddress else { return 0 }
            lengths = encoder.write(to: target)
            return lengths.total
        }
        memory?.shrink(to: lengths.total)
        var answer = HTTPResponse(.ok, .buffer(Guarded(buffer)))
        answer.memory = memory
        if let header = lengths.header {
            answer.contentType = .octetStream
            answer.inferenceHeaderByteCount = header
        }
        return answer
    }
}
