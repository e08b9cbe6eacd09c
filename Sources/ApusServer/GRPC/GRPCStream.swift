import ApusCore
import ApusMetrics
import ApusWire
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
    let peer: GRPCPeer
    /// Set when the answer is of no use any more.
    let cancellation = CancellationFlag()
    var indexInLoop: Int?
    private(set) var head = GRPCRequestHead(HPACKHeaders())
    /// When the first bytes of the headers, and of the message that came last, arrived.
    private(set) var receivedNanoseconds: UInt64
    private(set) var messageReceivedNanoseconds: UInt64
    private(set) var deadlineNanoseconds: UInt64?

    var context: ChannelHandlerContext?
    private var method: GRPCMethods.Method?
    private var call: (any GRPCCall)?
    private var framer: MessageFramer?
    /// Data that arrived while the call took no more messages.
    private var held = CircularBuffer<ByteBuffer>()
    /// Answers too long to go out in one turn.
    var outgoing = CircularBuffer<(bytes: ByteBuffer, promise: EventLoopPromise<Void>?)>()
    var isPieceOnItsWay = false
    var statusBehindOutgoing: GRPCStatus?
    private var isCounted = false
    private var isTakingData = false
    /// Whether a large message is being decompressed elsewhere.
    private var isInflating = false
    private var isReadingStopped = false
    var hasReceivedEnd = false
    /// Whether the call has been told of the end.
    private var hasToldEnd = false
    var hasSentHead = false
    var isEnded = false
    private var receivedByteCount = 0
    var sentByteCount = 0
    /// Since when the client takes nothing of the answers.
    var unwritableSinceNanoseconds: UInt64?
    /// When it was first seen that the call has ended, but what was sent has not been taken.
    private var untakenSinceNanoseconds: UInt64?
    private var isDraining = false
    /// How much had arrived when something came last while the server stops, and when that was seen.
    private var arrival = (byteCount: -1, nanoseconds: UInt64(0))

    init(server: ServerContext, loop: ServerLoop, peer: GRPCPeer) {
        self.server = server
        self.loop = loop
        self.peer = peer
        receivedNanoseconds = loop.nowNanoseconds
        messageReceivedNanoseconds = receivedNanoseconds
    }

    // MARK: Life

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        isCounted = peer.load.beginCall()
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
        if isCounted { peer.load.endCall() }
        isCounted = false
        held.removeAll()
        failOutgoing()
        if isReadingStopped, let streamID { peer.load.goOnReading(streamID) }
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
        if event is ChannelShouldQuiesceEvent {
            isDraining = true
            call?.drain()
        }
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
        guard isCounted else {
            refuse(GRPCProblem.messageMemoryExhausted)
            return
        }
        guard let method else {
            finish(GRPCStatus(GRPCProblem.unknownMethod(head.path)))
            return
        }
        if let problem = head.problem {
            finish(GRPCStatus(problem))
            return
        }
        do {
            try peer.caller.check(method.endpoint.headEffect, head.access, isHTTP: false)
        } catch {
            refuse(error)
            return
        }
        framer = MessageFramer(
            byteCountMax: server.configuration.grpc.messageByteCountMax,
            budget: peer.share, encoding: head.encoding)
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
            try receive(message.bytes, by: call)
            return
        }
        let inflation = try framer.makeInflation(message, coding)
        if let body = try inflation.advance(upTo: ServerLoop.inlineByteCountMax) {
            try receive(body.bytes, by: call)
            return
        }
        isInflating = true
        loop.elsewhere(server, byteCount: message.bytes.count * 4) {
            try inflation.advance(upTo: .max)
        } then: {
            self.takeInflated($0)
        }
    }

    private func takeInflated(_ result: Result<RequestBody?, any Error>) {
        isInflating = false
        guard !isEnded, let call else { return }
        do {
            guard let body = try result.get() else { return }
            try receive(body.bytes, by: call)
            takeData()
        } catch {
            refuse(error)
        }
    }

    private func receive(_ message: TensorBytes, by call: any GRPCCall) throws {
        if let endpoint = method?.endpoint, case .varying = endpoint.effect {
            try peer.caller.check(try endpoint.effect(of: message), head.access, isHTTP: false)
        }
        call.receive(message)
    }

    /// While data waits, no more is taken from the client.
    private func setReadingStopped(_ isStopped: Bool) {
        guard isStopped != isReadingStopped, let context else { return }
        isReadingStopped = isStopped
        if let streamID {
            isStopped ? peer.load.stopReading(streamID) : peer.load.goOnReading(streamID)
        }
        try? context.channel.syncOptions?.setOption(.autoRead, value: !isStopped)
        if !isStopped { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            unwritableSinceNanoseconds = nil
            sendOutgoing()
            takeData()
        }
        context.fireChannelWritabilityChanged()
    }

    /// Whether the client takes its answers.
    var isWritable: Bool { outgoing.isEmpty && (context?.channel.isWritable ?? false) }

    private var streamID: UInt32? {
        let option = HTTP2StreamChannelOptions.streamID
        guard let id = try? context?.channel.syncOptions?.getOption(option) else { return nil }
        return UInt32(clamping: Int32(id))
    }

    // MARK: Timeouts

    /// Its connection is asked.
    func idleNanoseconds(now: UInt64) -> UInt64? { nil }

    func checkTimeouts(now: UInt64) {
        let configuration = server.configuration
        let patience = configuration.patience(isDraining: isDraining).nanoseconds
        guard !isEnded else {
            let since = untakenSinceNanoseconds ?? now
            untakenSinceNanoseconds = since
            if min(now &- since, peer.silenceNanoseconds(now: now)) > patience { closeNow() }
            return
        }
        if let deadlineNanoseconds, now > deadlineNanoseconds {
            cancellation.cancel()
            finish(GRPCStatus(GRPCProblem.deadlinePassed))
            return
        }
        if isArriving, now &- messageReceivedNanoseconds > configuration.requestTimeout.nanoseconds
        {
            if method?.endpoint.isInference == true {
                server.recordRefusal(GRPCProblem.requestTimeout)
            }
            finish(GRPCStatus(GRPCProblem.requestTimeout))
            return
        }
        if isDraining, isArriving, hasStopped(now) {
            cancellation.cancel()
            finish(GRPCStatus(ServerError.stopping))
            return
        }
        if let since = unwritableSinceNanoseconds, now &- since > patience {
            closeNow()
            return
        }
        call?.tick()
    }

    /// Whether the rest of a message is still to come.
    private var isArriving: Bool {
        !isReadingStopped && !hasReceivedEnd && (framer?.isInside ?? true || call is UnaryCall)
    }

    /// Whether nothing has come for longer than clients may take while the server stops.
    private func hasStopped(_ now: UInt64) -> Bool {
        if arrival.byteCount != receivedByteCount { arrival = (receivedByteCount, now) }
        return now &- arrival.nanoseconds > server.configuration.drainPatience.nanoseconds
    }

    // MARK: The end

    /// Notes the end in metrics and log.
    func end(_ status: GRPCStatus) {
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
        case .messageMemoryExhausted, .answerMemoryExhausted: self = .unavailable
        case .unknownMethod: self = .notFound
        case .unknownEncoding: self = .unsupported
        case .invalidTimeout, .encodingMissing, .malformedFrame, .messageCount: self = .invalid
        }
    }
}
