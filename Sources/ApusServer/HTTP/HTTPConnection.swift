import ApusCore
import ApusMetrics
import NIOCore
import NIOHTTP1

/// One HTTP/1.1 connection: receives requests, has them answered, sends the answers in order.
///
/// Requests may be pipelined: up to a limit they are in work at the same time, and behind it the
/// connection is not read. Confined to its event loop.
final class HTTPConnection: ChannelInboundHandler, LoopMember {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = ByteBuffer

    enum Phase {
        case awaitingHead
        case receivingBody
        /// The last answer is on its way; what still arrives is thrown away.
        case closing
        case closed
    }

    let server: ServerContext
    let loop: ServerLoop
    let router: Router
    private(set) var caller: Caller?
    /// Of the memory for bodies.
    private(set) var share: ByteBudget
    /// Place in the loop's list; nil when it is not there.
    var indexInLoop: Int?
    var context: ChannelHandlerContext?

    var phase = Phase.awaitingHead
    /// Requests in the order of their arrival, the last one perhaps still arriving.
    var exchanges: [Exchange] = []
    /// Parts that arrived while no more requests could be taken.
    private var held = CircularBuffer<HTTPServerRequestPart>()
    /// When the server began to stop.
    private(set) var drainingSinceNanoseconds: UInt64?
    var isDraining: Bool { drainingSinceNanoseconds != nil }
    /// Whether parts were thrown away because no request behind the last one is answered.
    private var hasIgnoredInput = false
    private var isTakingHeld = false
    /// Whether a read is being worked off, behind which everything is flushed together.
    private var isReading = false
    private var needsFlush = false
    private(set) var isReadingStopped = false

    /// When the first byte of the next request arrived; nil if none has.
    var headStartedNanoseconds: UInt64?
    /// When the last bytes arrived.
    private(set) var arrivedNanoseconds: UInt64 = 0
    /// When the phase before closing, or the wait for a request, began.
    var quietSinceNanoseconds: UInt64
    /// When the client closed its side.
    private(set) var inputEndedNanoseconds: UInt64?
    lazy var load = ConnectionLoad(share: share, of: server.bodyMemory)
    /// Progress of a client that does not take its answers.
    var stall: (sinceNanoseconds: UInt64, bufferedByteCount: Int)?

    init(server: ServerContext, loop: ServerLoop, role: HTTPServerConfiguration.Listener.Role) {
        self.server = server
        self.loop = loop
        router = server.router(for: role)
        share = server.bodyMemory
        quietSinceNanoseconds = loop.nowNanoseconds
    }

    // MARK: Life

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        caller = Caller(server.access, context.channel)
        share = server.clientShares.share(of: context.channel)
        loop.add(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end()
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    /// The client has gone, or we let it go.
    private func end() {
        guard phase != .closed else { return }
        phase = .closed
        loop.remove(self)
        for exchange in exchanges {
            exchange.cancellation.cancel()
            if exchange.response == nil {
                record(.clientClosedRequest, of: exchange, bodyByteCount: 0, sentByteCount: 0)
            }
        }
        exchanges.removeAll()
        held.removeAll()
    }

    func closeNow() { context?.close(promise: nil) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed { receiveEndOfInput() }
        if event is ChannelShouldQuiesceEvent {
            let now = loop.nowNanoseconds
            drainingSinceNanoseconds = now
            quietSinceNanoseconds = now
            if let last = exchanges.last {
                last.mustClose = true
                sendCompleted()
            } else if server.configuration.drainGrace == .zero {
                closeIfIdle()
            }
        }
        context.fireUserInboundEventTriggered(event)
    }

    /// Closes unless a request is on its way.
    func closeIfIdle() {
        guard let context, exchanges.isEmpty, phase == .awaitingHead, headStartedNanoseconds == nil
        else { return }
        // Answers may still be on their way.
        close(behind: ByteBuffer(), isInputUnread: false, context)
    }

    /// The client sends no more: it has gone, or it waits for its last answer.
    private func receiveEndOfInput() {
        inputEndedNanoseconds = loop.nowNanoseconds
        guard phase != .closing, phase != .closed, held.isEmpty else { return }
        if let last = exchanges.last {
            last.mustClose = true
            sendCompleted()
        } else if let context {
            // Answers may still be on their way.
            close(behind: ByteBuffer(), isInputUnread: false, context)
        }
    }

    /// Errors of the decoder and of the socket.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        // More bytes behind those that made no sense; the answer to them is on its way.
        case is ByteToMessageDecoderError: break
        case let error as HTTPParserError:
            if phase == .closing || phase == .closed { break }
            if isEnding {
                hasIgnoredInput = true
            } else {
                refuse(Self.problem(of: error))
            }
        default: closeNow()
        }
    }

    /// Answers the request that is arriving with an error, and closes behind it.
    func refuse(_ problem: HTTPProblem) {
        let exchange: Exchange
        if phase == .receivingBody, let arriving = exchanges.last {
            exchange = arriving
        } else {
            let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "")
            exchange = Exchange(
                head: RequestHead(head),
                receivedNanoseconds: headStartedNanoseconds ?? loop.nowNanoseconds)
            exchanges.append(exchange)
            phase = .receivingBody
        }
        exchange.mustClose = true
        if exchange.response == nil { complete(exchange, .error(problem)) } else { sendCompleted() }
    }

    // MARK: Reading

    /// Called before the decoder sees bytes, with the time of their arrival.
    func bytesArrived(now: UInt64) {
        isReading = true
        arrivedNanoseconds = now
        if phase == .awaitingHead, headStartedNanoseconds == nil { headStartedNanoseconds = now }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        guard phase != .closing, phase != .closed else { return }
        if isEnding {
            hasIgnoredInput = true
        } else if held.isEmpty, canTake(part) {
            take(part)
        } else {
            held.append(part)
            setReadingStopped(true)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        if needsFlush {
            needsFlush = false
            context.flush()
        }
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            stall = nil
            takeHeld()
        }
        context.fireChannelWritabilityChanged()
    }

    /// Whether the last request that will be answered has arrived.
    private var isEnding: Bool {
        guard let last = exchanges.last else { return false }
        return last.mustClose && !last.isReceiving
    }

    /// Whether there is room for another request; parts of one that has begun are always taken.
    private func canTake(_ part: HTTPServerRequestPart) -> Bool {
        guard case .head = part else { return true }
        return exchanges.count < server.configuration.pipelinedRequestCountMax
            && context?.channel.isWritable != false
    }

    private func take(_ part: HTTPServerRequestPart) {
        switch part {
        case .head(let head): receiveHead(RequestHead(head))
        case .body(let bytes): receiveBody(bytes)
        case .end: receiveEnd()
        }
    }

    /// Takes what had to wait, as far as there is room now.
    private func takeHeld() {
        guard !isTakingHeld else { return }
        isTakingHeld = true
        while let part = held.first, canTake(part), phase != .closing, phase != .closed, !isEnding {
            held.removeFirst()
            take(part)
        }
        isTakingHeld = false
        setReadingStopped(!held.isEmpty)
    }

    /// While parts wait, no more are read from the socket.
    private func setReadingStopped(_ isStopped: Bool) {
        guard isStopped != isReadingStopped, phase != .closed else { return }
        isReadingStopped = isStopped
        try? context?.channel.syncOptions?.setOption(.autoRead, value: !isStopped)
    }

    // MARK: Answering

    /// Sets the answer of an exchange and sends what can be sent now.
    func complete(_ exchange: Exchange, _ response: HTTPResponse) {
        guard phase != .closed, exchange.response == nil else { return }
        if exchange.head.answerCoding != nil, compress(exchange, response) { return }
        completeNow(exchange, response)
    }

    /// The same for an answer that is as it will be sent.
    func completeNow(_ exchange: Exchange, _ response: HTTPResponse) {
        guard phase != .closed, exchange.response == nil else { return }
        exchange.response = response
        let added = exchange.addedHeaders
        if !added.isEmpty { exchange.response?.headers += added }
        sendCompleted()
    }

    func sendCompleted() {
        guard phase != .closing else { return }
        while let exchange = exchanges.first, let response = exchange.response,
            exchange.isComplete
        {
            exchanges.removeFirst()
            if send(response, of: exchange) { return }
        }
        if let next = exchanges.first, next.awaitsContinue {
            next.awaitsContinue = false
            writeContinue()
        }
        if exchanges.isEmpty, phase == .awaitingHead { quietSinceNanoseconds = loop.nowNanoseconds }
        takeHeld()
    }

    /// - Returns: whether it was the last answer of the connection.
    private func send(_ response: HTTPResponse, of exchange: Exchange) -> Bool {
        guard let context else { return true }
        let isLast = exchange.mustClose
        var (response, unsent) = counted(response, of: exchange)
        let bodyByteCount = response.body.count
        let buffer = loop.responseWriter.bytes(
            of: response,
            isLast ? .close : exchange.head.isOldVersion ? .keepAliveOldVersion : .keepAlive,
            hasBody: exchange.head.method != .HEAD)
        let sentByteCount = buffer.readableBytes
        unsent?.bytes = buffer
        if isLast {
            close(behind: buffer, isInputUnread: exchange.isReceiving, context, unsent)
        } else {
            context.write(wrapOutboundOut(buffer), promise: promise(giving: unsent, context))
            if isReading { needsFlush = true } else { context.flush() }
        }
        exchange.onSent?()
        record(
            response.status, of: exchange, bodyByteCount: bodyByteCount,
            sentByteCount: sentByteCount)
        return isLast
    }

    private func writeContinue() {
        guard let context else { return }
        var buffer = context.channel.allocator.buffer(capacity: 32)
        buffer.writeStaticString(HTTPStatus.continueLines)
        context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
    }

    /// Sends the last bytes and closes. If the client is still sending, only our side at first: the
    /// system would throw the answer away with the input that nobody read.
    private func close(
        behind buffer: ByteBuffer, isInputUnread: Bool, _ context: ChannelHandlerContext,
        _ unsent: ConnectionLoad.UnsentBytes? = nil
    ) {
        let mustLinger = isInputUnread || hasIgnoredInput || !held.isEmpty
        phase = .closing
        quietSinceNanoseconds = loop.nowNanoseconds
        for exchange in exchanges { exchange.cancellation.cancel() }
        exchanges.removeAll()
        held.removeAll()
        setReadingStopped(false)
        let channel = context.channel
        let bound = NIOLoopBound((self, unsent), eventLoop: loop.eventLoop)
        context.writeAndFlush(wrapOutboundOut(buffer)).whenComplete { result in
            let (connection, unsent) = bound.value
            if let unsent { connection.load.giveBack(unsent) }
            switch result {
            case .success where mustLinger: channel.close(mode: .output, promise: nil)
            default: channel.close(promise: nil)
            }
        }
    }

    private func record(
        _ status: HTTPStatus, of exchange: Exchange, bodyByteCount: Int, sentByteCount: Int
    ) {
        let code = status.code
        let metrics = server.metrics.server
        metrics.recordRequest(code: code)
        metrics.receivedBytes.add(UInt64(exchange.receivedByteCount))
        metrics.sentBytes.add(UInt64(bodyByteCount))
        guard server.accessLog.wants(.http(code)) else { return }
        let now = loop.nowNanoseconds
        server.accessLog.write(
            AccessLog.Entry(
                method: exchange.head.method.rawValue, target: exchange.head.target,
                status: .http(code),
                receivedByteCount: exchange.receivedByteCount, sentByteCount: sentByteCount,
                durationNanoseconds: now &- exchange.receivedNanoseconds,
                client: context?.remoteAddress?.ipAddress, requestID: exchange.head.requestID))
    }

    private static func problem(of error: HTTPParserError) -> HTTPProblem {
        switch error {
        case .headerOverflow: .headersTooLarge
        case .invalidVersion: .unknownVersion
        default: .malformed(reason: description(of: error))
        }
    }

    private static func description(of error: HTTPParserError) -> String {
        switch error {
        case .invalidMethod: "unknown method"
        case .invalidURL: "invalid target"
        case .invalidHeaderToken: "invalid character in a header"
        case .invalidContentLength, .unexpectedContentLength: "invalid Content-Length"
        case .invalidChunkSize: "invalid chunk size"
        case .invalidEOFState, .closedConnection: "it ends too early"
        case .lfExpected: "a line does not end with CR LF"
        default: "it cannot be understood"
        }
    }
}

/// Tells the connection when bytes arrive; stands before the decoder.
final class ByteArrival: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private unowned let connection: HTTPConnection

    init(_ connection: HTTPConnection) { self.connection = connection }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        connection.bytesArrived(now: connection.loop.nowNanoseconds)
        context.fireChannelRead(data)
    }
}
