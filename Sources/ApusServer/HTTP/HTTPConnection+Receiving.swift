import ApusCore
import ApusMetrics
import NIOCore
import NIOHTTP1

extension HTTPConnection {
    /// A body up to this size is read to its end behind an early refusal, so that the connection
    /// can be used again.
    private static let discardedByteCountMax = 64 << 10

    func receiveHead(_ head: RequestHead) {
        let exchange = Exchange(
            head: head, receivedNanoseconds: headStartedNanoseconds ?? loop.nowNanoseconds)
        headStartedNanoseconds = nil
        if isDraining { exchange.mustClose = true }
        exchanges.append(exchange)
        phase = .receivingBody
        do {
            if head.access.origin != nil, let caller {
                exchange.sharingHeaders = caller.sharing(head.access)
            }
            if try answerPreflight(exchange) { return }
            try admit(exchange)
        } catch {
            refuse(exchange, error)
            return
        }
        if head.expectsContinue, head.hasBody {
            exchange.awaitsContinue = true
            if exchanges.count == 1 { sendCompleted() }
        }
    }

    /// Answers a browser that asks for leave to send a page's request.
    ///
    /// - Returns: whether that is what the request is.
    private func answerPreflight(_ exchange: Exchange) throws(HTTPProblem) -> Bool {
        guard exchange.head.isPreflight, exchange.head.problem == nil, let caller else {
            return false
        }
        var response = HTTPResponse.empty
        do { response.headers = try caller.preflight(exchange.head.access) } catch {
            throw .forbidden(error)
        }
        if exchange.head.hasBody { exchange.mustClose = true }
        complete(exchange, response)
        return true
    }

    /// Checks what the head says, and prepares for the body.
    private func admit(_ exchange: Exchange) throws(HTTPProblem) {
        let head = exchange.head
        if let problem = head.problem {
            exchange.mustClose = true
            throw problem
        }
        let route = try router.match(head.method, head.target)
        exchange.route = route
        do { try caller?.check(route.endpoint.effect, head.access) } catch {
            throw .forbidden(error)
        }
        guard head.hasBody else { return }
        let byteCountMax = server.configuration.bodyByteCountMax
        if let declared = head.contentLength, declared > byteCountMax {
            exchange.mustClose = true
            throw .bodyTooLarge(byteCountMax: byteCountMax)
        }
        // Only these bodies mean something.
        guard route.endpoint.method.takesBody else { return }
        exchange.body = RequestBody(
            declaredByteCount: head.contentLength,
            headerByteCount: head.inferenceHeaderLength.flatMap { Int($0) },
            byteCountMax: byteCountMax, budget: share)
    }

    /// Answers with an error before the request has arrived. The rest of a short one is read, a
    /// long one costs the connection.
    private func refuse(_ exchange: Exchange, _ problem: HTTPProblem) {
        exchange.body = nil
        let head = exchange.head
        if head.isChunked || (head.contentLength ?? 0) > Self.discardedByteCountMax
            || (head.expectsContinue && head.hasBody)
        {
            exchange.mustClose = true
        }
        if exchange.route?.endpoint.isInference == true {
            server.metrics.server.recordRefusal(RefusalReason(problem))
        }
        complete(exchange, server.answer(to: problem, on: exchange))
    }

    func receiveBody(_ bytes: ByteBuffer) {
        guard phase == .receivingBody, let exchange = exchanges.last else { return }
        exchange.awaitsContinue = false
        exchange.receivedByteCount += bytes.readableBytes
        guard exchange.response == nil, let body = exchange.body else {
            checkUnwanted(exchange)
            return
        }
        do {
            try body.append(bytes)
        } catch {
            exchange.mustClose = true
            refuse(exchange, error)
        }
    }

    /// A body that nobody wants must end some time, too.
    private func checkUnwanted(_ exchange: Exchange) {
        let byteCountMax = server.configuration.bodyByteCountMax
        guard exchange.receivedByteCount > byteCountMax, !exchange.mustClose else { return }
        refuse(.bodyTooLarge(byteCountMax: byteCountMax))
    }

    func receiveEnd() {
        guard phase == .receivingBody, let exchange = exchanges.last else { return }
        exchange.isReceiving = false
        exchange.awaitsContinue = false
        phase = .awaitingHead
        guard exchange.response == nil, let route = exchange.route else {
            sendCompleted()
            return
        }
        if let coding = exchange.head.bodyCoding, route.endpoint.method.takesBody {
            inflate(exchange, coding) { self.answer(exchange, route) }
        } else {
            answer(exchange, route)
        }
    }

    /// Has a request that has arrived answered.
    private func answer(_ exchange: Exchange, _ route: Router.Match) {
        switch route.endpoint.answer {
        case .inference: startInference(exchange, .tensors)
        case .generation(let isStreamed):
            startInference(exchange, isStreamed ? .event : .object)
        case .dialect(let dialect): startInference(exchange, .tensors, dialect: dialect)
        case .direct(let answer):
            do {
                complete(exchange, try answer(server.useCases, exchange.request))
            } catch {
                complete(exchange, server.answer(to: error, on: exchange))
            }
        case .eventually(let answer): startTask(exchange, answer)
        }
    }

    private func startTask(
        _ exchange: Exchange,
        _ answer: @escaping @Sendable (UseCases, HTTPRequest) async throws -> HTTPResponse
    ) {
        let bound = NIOLoopBound((self, exchange), eventLoop: loop.eventLoop)
        let eventLoop = loop.eventLoop
        let server = server
        let request = exchange.request
        let errors = exchange.route?.endpoint.errors
        server.beginWork()
        Task {
            let response: HTTPResponse
            do {
                response = try await answer(server.useCases, request)
            } catch {
                response = server.answer(to: error, request, errors)
            }
            eventLoop.execute {
                let (connection, exchange) = bound.value
                connection.complete(exchange, response)
            }
            server.endWork()
        }
    }
}

extension RefusalReason {
    init(_ problem: HTTPProblem) {
        switch problem {
        case .bodyTooLarge, .headersTooLarge: self = .tooLarge
        case .requestTimeout: self = .slowClient
        case .bodyMemoryExhausted, .answerMemoryExhausted: self = .unavailable
        case .routeNotFound, .methodNotAllowed: self = .notFound
        case .unknownContentEncoding, .unknownContentType, .unknownTransferEncoding:
            self = .unsupported
        case .malformed, .unknownVersion, .unknownExpectation: self = .invalid
        case .forbidden: self = .forbidden
        }
    }

    init(_ kind: ErrorKind) {
        switch kind {
        case .invalidArgument, .cancelled: self = .invalid
        case .notFound: self = .notFound
        case .unavailable, .deadlineExceeded: self = .unavailable
        case .resourceExhausted: self = .tooLarge
        case .unsupported: self = .unsupported
        case .permissionDenied: self = .forbidden
        case .internal: self = .internal
        }
    }
}
