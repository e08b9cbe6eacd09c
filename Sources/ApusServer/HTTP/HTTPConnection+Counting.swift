import NIOCore

/// Counts the memory of answers that clients do not take.
extension HTTPConnection {
    /// Answers that are longer are counted until they are sent.
    private static let countedByteCount = 16 << 10

    /// The answer, or that there is no memory for it.
    func counted(
        _ response: HTTPResponse, of exchange: Exchange
    ) -> (HTTPResponse, ConnectionLoad.UnsentBytes?) {
        guard response.body.count > Self.countedByteCount else { return (response, nil) }
        if let unsent = load.takeUnsent(response.body.count) { return (response, unsent) }
        return (server.answer(to: HTTPProblem.answerMemoryExhausted, on: exchange), nil)
    }

    func promise(
        giving unsent: ConnectionLoad.UnsentBytes?, _ context: ChannelHandlerContext
    ) -> EventLoopPromise<Void>? {
        guard let unsent else { return nil }
        let promise = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound((load, unsent), eventLoop: context.eventLoop)
        promise.futureResult.whenComplete { _ in
            let (load, unsent) = bound.value
            load.giveBack(unsent)
        }
        return promise
    }
}
