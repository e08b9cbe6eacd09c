import ApusCore
import ApusMetrics
import ApusWire
import Dispatch
import NIOCore
import NIOHPACK
import NIOHTTP2

/// One call on a stream of HTTP/2: receives messages, has them answered, sends the answers.
/// Confined to its event loop.
final class GRPCStream: ChannelInboundHandler, LoopMember {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    let server: ServerContext
    let loop: ServerLoop
    /// Set when the answer is of no use any more.
    let cancellation = CancellationFlag()
    var indexInLoop: Int?
    private(set) var head = GRPCRequestHead(HPACKHeaders())
    /// When the first bytes of the headers, and of the message that came last, arrived.
    private(set) var receivedNanoseconds: UInt64
    private(set) var messageReceivedNanoseconds: UInt64
    private(set) var deadlineNanoseconds: UInt64?

    private var context: ChannelHandlerContext?
    private var method: GRPCMethods.Method?
    private var call: (any GRPCCall)?
    private var framer: MessageFramer?
    /// Data that arrived while the call took no more messages.
    private var held = CircularBuffer<ByteBuffer>()
    private var isTakingData = false
    /// Whether a large message is being decompressed elsewhere.
    private var isInflating = false
    private var isReadingStopped = false
    private var hasReceivedEnd = false
    /// Whether the call has been told of the end.
    private var hasToldEnd = false
    private var hasSentHead = false
    private var isEnded = false
    private var receivedByteCount = 0
    private var sentByteCount = 0
    /// Since when the client takes nothing of the answers.
    private var unwritableSinceNanoseconds: UInt64?

    init(server: ServerContext, loop: ServerLoop) {
        self.server = server
        self.loop = loop
        receivedNanoseconds = loop.nowNanoseconds
        messageReceivedNanoseconds = receivedNanoseconds
    }

    // MARK: Life

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        loop.add(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        leave()
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        leave()
        context.fireChannelInactive()
    }

    /// The client has gone, or given up the call.
    private func leave() {
        loop.remove(self)
        held.removeAll()
        guard !isEnded else { return }
        cancellation.cancel()
        end(GRPCStatus(code: .cancelled, message: ""))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The stream is closed by who noticed.
        guard !(error is NIOHTTP2Errors.StreamClosed) else { return }
        closeNow()
    }

    func closeNow() { context?.close(promise: nil) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent { call?.drain() }
        context.fireUserInboundEventTriggered(event)
    }

    // MARK: Receiving

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .headers(let frame):
            // Trailers of a request mean nothing.
            if call == nil, !isEnded { receiveHead(frame.headers) }
            if frame.endStream { receiveEnd() }
        case .data(let frame):
            if case .byteBuffer(let bytes) = frame.data { receiveData(bytes) }
            if frame.endStream { receiveEnd() }
        default: break
        }
    }

    private func receiveHead(_ headers: HPACKHeaders) {
        head = GRPCRequestHead(headers)
        if let status = head.httpStatus {
            refuse(status)
            return
        }
        deadlineNanoseconds = head.timeoutNanoseconds.map { receivedNanoseconds &+ $0 }
        method = server.grpcMethods[head.path]
        guard let method else {
            finish(GRPCStatus(GRPCProblem.unknownMethod(head.path)))
            return
        }
        if let problem = head.problem {
            finish(GRPCStatus(problem))
            return
        }
        framer = MessageFramer(
            byteCountMax: server.configuration.grpc.messageByteCountMax,
            budget: server.bodyMemory, encoding: head.encoding)
        call =
            switch method.endpoint.answer {
            case .direct, .eventually, .inference, .dialect:
                UnaryCall(self, method.endpoint.answer)
            case .inferenceStream: InferenceStream(self)
            case .healthWatch: HealthWatch(self)
            case .conversation(let answer): Conversation(self, answer)
            }
    }

    private func receiveData(_ bytes: ByteBuffer) {
        guard !isEnded else { return }
        receivedByteCount += bytes.readableBytes
        held.append(bytes)
        takeData()
    }

    private func receiveEnd() {
        hasReceivedEnd = true
        takeData()
    }

    /// Hands what has arrived to the call, as far as it takes it now.
    func takeData() {
        guard !isTakingData, !isEnded, let call else { return }
        isTakingData = true
        defer { isTakingData = false }
        do {
            while !held.isEmpty, call.takesMessages, !isInflating {
                if framer?.isInside == false { messageReceivedNanoseconds = loop.nowNanoseconds }
                guard let message = try framer?.next(&held[held.startIndex]) else {
                    held.removeFirst()
                    continue
                }
                if held.first?.readableBytes == 0 { held.removeFirst() }
                try deliver(message, to: call)
                guard !isEnded else { return }
            }
            setReadingStopped(!held.isEmpty)
            guard held.isEmpty, hasReceivedEnd, !hasToldEnd, !isInflating else { return }
            hasToldEnd = true
            if framer?.isInside == true {
                throw GRPCProblem.malformedFrame(reason: "the stream ends inside it")
            }
            call.receiveEnd()
        } catch {
            refuse(error)
        }
    }

    private func refuse(_ error: any Error) {
        cancellation.cancel()
        let error =
            (error as? HTTPProblem).map {
                GRPCProblem($0, byteCountMax: server.configuration.grpc.messageByteCountMax)
            } ?? error
        if method?.endpoint.isInference == true { server.recordRefusal(error) }
        finish(GRPCStatus(error))
    }

    /// Hands a message to the call, decompressed; a large one is decompressed away from the event
    /// loop, and comes before whatever follows.
    private func deliver(_ message: MessageFramer.Message, to call: any GRPCCall) throws {
        guard let coding = message.coding, let framer else {
            call.receive(message.bytes)
            return
        }
        let inflation = try framer.makeInflation(message, coding)
        if let body = try inflation.advance(upTo: HTTPConnection.inlineByteCountMax) {
            call.receive(body.bytes)
            return
        }
        isInflating = true
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        let eventLoop = loop.eventLoop
        let server = server
        server.beginWork()
        loop.compressionQueue.async {
            let result = Result { try inflation.advance(upTo: .max) }
            eventLoop.execute { bound.value.takeInflated(result) }
            server.endWork()
        }
    }

    private func takeInflated(_ result: Result<RequestBody?, any Error>) {
        isInflating = false
        guard !isEnded, let call else { return }
        do {
            guard let body = try result.get() else { return }
            call.receive(body.bytes)
            takeData()
        } catch {
            refuse(error)
        }
    }

    /// While data waits, no more is taken from the client.
    private func setReadingStopped(_ isStopped: Bool) {
        guard isStopped != isReadingStopped, let context else { return }
        isReadingStopped = isStopped
        try? context.channel.syncOptions?.setOption(.autoRead, value: !isStopped)
        if !isStopped { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            unwritableSinceNanoseconds = nil
            takeData()
        }
        context.fireChannelWritabilityChanged()
    }

    /// Whether the client takes its answers.
    var isWritable: Bool { context?.channel.isWritable ?? false }

    // MARK: Sending

    private static let responseHead: HPACKHeaders = [
        ":status": "200", "content-type": "application/grpc",
        "grpc-accept-encoding": "identity,deflate,gzip",
    ]
    private static let okTrailers: HPACKHeaders = ["grpc-status": "0"]

    /// Sends one message, and the end behind it if `isLast`.
    ///
    /// - Parameters:
    ///   - byteCount: of the message.
    ///   - write: writes it to memory of that length.
    func send(
        byteCount: Int, isLast: Bool, _ write: (UnsafeMutableRawPointer) -> Void
    ) {
        guard !isEnded, let context else { return }
        guard byteCount <= Int32.max else {
            finish(GRPCStatus(GRPCProblem.responseTooLarge(byteCount: byteCount)))
            return
        }
        var buffer = MessageWriter.buffer(byteCount: byteCount, context.channel.allocator, write)
        if let format = compression {
            buffer = MessageWriter.compressed(
                buffer, format, level: server.configuration.grpc.compressionLevel,
                context.channel.allocator)
        }
        sentByteCount += buffer.readableBytes
        sendHead()
        context.write(wrapOutboundOut(.data(.init(data: .byteBuffer(buffer)))), promise: nil)
        if isLast {
            finish(.ok)
        } else {
            context.flush()
            if !isWritable, unwritableSinceNanoseconds == nil {
                unwritableSinceNanoseconds = loop.nowNanoseconds
            }
        }
    }

    func send(_ message: [UInt8], isLast: Bool) {
        send(byteCount: message.count, isLast: isLast) { target in
            message.withUnsafeBytes { bytes in
                if let start = bytes.baseAddress {
                    target.copyMemory(from: start, byteCount: bytes.count)
                }
            }
        }
    }

    /// How answers are compressed; nil = not.
    private var compression: ContentCoding? {
        server.configuration.grpc.compressionLevel > 0 ? head.acceptedEncoding : nil
    }

    private func sendHead() {
        guard !hasSentHead, let context else { return }
        hasSentHead = true
        var headers = Self.responseHead
        if let compression { headers.add(name: "grpc-encoding", value: compression.rawValue) }
        context.write(wrapOutboundOut(.headers(.init(headers: headers))), promise: nil)
    }

    /// Ends the call.
    func finish(_ status: GRPCStatus) {
        guard !isEnded, let context else { return }
        var trailers = Self.okTrailers
        if status.code != .ok || !hasSentHead {
            trailers = hasSentHead ? [:] : Self.responseHead
            trailers.add(name: "grpc-status", value: "\(status.code.rawValue)")
            if !status.message.isEmpty {
                trailers.add(name: "grpc-message", value: status.encodedMessage)
            }
        }
        end(status)
        writeLast(trailers, context)
    }

    /// Answers what is no gRPC.
    private func refuse(_ status: HTTPStatus) {
        guard let context else { return }
        var headers: HPACKHeaders = [":status": "\(status.code)"]
        if status == .methodNotAllowed { headers.add(name: "allow", value: "POST") }
        end(GRPCStatus(code: .unknown, message: ""))
        writeLast(headers, context)
    }

    private func writeLast(_ headers: HPACKHeaders, _ context: ChannelHandlerContext) {
        let payload = HTTP2Frame.FramePayload.headers(.init(headers: headers, endStream: true))
        guard !hasReceivedEnd else {
            context.writeAndFlush(wrapOutboundOut(payload), promise: nil)
            return
        }
        // The client need not send the rest.
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        context.writeAndFlush(wrapOutboundOut(payload)).whenSuccess {
            let stream = bound.value
            guard !stream.hasReceivedEnd, let context = stream.context else { return }
            context.writeAndFlush(
                stream.wrapOutboundOut(.rstStream(.noError)), promise: nil)
        }
    }

    // MARK: Timeouts

    func checkTimeouts(now: UInt64) {
        guard !isEnded else { return }
        let configuration = server.configuration
        if let deadlineNanoseconds, now > deadlineNanoseconds {
            cancellation.cancel()
            finish(GRPCStatus(GRPCProblem.deadlinePassed))
            return
        }
        let limit = configuration.requestTimeout.nanoseconds
        let isArriving =
            !isReadingStopped && !hasReceivedEnd && (framer?.isInside ?? true || call is UnaryCall)
        if isArriving, now &- messageReceivedNanoseconds > limit {
            if method?.endpoint.isInference == true {
                server.recordRefusal(GRPCProblem.requestTimeout)
            }
            finish(GRPCStatus(GRPCProblem.requestTimeout))
            return
        }
        if let since = unwritableSinceNanoseconds,
            now &- since > configuration.writeTimeout.nanoseconds
        {
            closeNow()
            return
        }
        call?.tick()
    }

    // MARK: The end

    /// Notes the end in metrics and log.
    private func end(_ status: GRPCStatus) {
        isEnded = true
        let metrics = server.metrics.grpc
        if status.code == .ok {
            method?.successes.add()
        } else {
            metrics.recordFailure(
                method: method?.endpoint.method ?? "other", code: status.code.name)
        }
        metrics.receivedBytes.add(UInt64(receivedByteCount))
        metrics.sentBytes.add(UInt64(sentByteCount))
        call = nil
        held.removeAll()
        guard server.accessLog.wants(.grpc(status.code)) else { return }
        server.accessLog.write(
            AccessLog.Entry(
                method: "gRPC", target: head.path, status: .grpc(status.code),
                receivedByteCount: receivedByteCount, sentByteCount: sentByteCount,
                durationNanoseconds: loop.nowNanoseconds &- receivedNanoseconds,
                client: context?.channel.parent?.remoteAddress?.ipAddress,
                requestID: head.requestID))
    }
}

extension RefusalReason {
    init(_ problem: GRPCProblem) {
        switch problem {
        case .messageTooLarge, .responseTooLarge: self = .tooLarge
        case .requestTimeout, .deadlinePassed: self = .slowClient
        case .messageMemoryExhausted: self = .unavailable
        case .unknownMethod: self = .notFound
        case .unknownEncoding: self = .unsupported
        case .invalidTimeout, .encodingMissing, .malformedFrame, .messageCount: self = .invalid
        }
    }
}
