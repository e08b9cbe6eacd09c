import ApusCore
import ApusMetrics
import ApusWire
import NIOCore

extension ServerContext {
    /// Hands a decoded request to a model, whatever protocol it came over.
    ///
    /// - Parameters:
    ///   - arrivedNanoseconds: when the last byte of the request was there.
    ///   - loop: that of the connection, on which this is called.
    ///   - answer: called once on that loop.
    func run(
        _ decoded: DecodedRequest, by servable: any Servable, arrivedNanoseconds: UInt64,
        on loop: ServerLoop,
        answer: @escaping @Sendable (Result<InferenceResponse, any Error>) -> Void
    ) {
        if let metrics = useCases.metrics(of: servable) {
            metrics.recordStage(
                .receive, nanoseconds: arrivedNanoseconds &- decoded.request.receivedNanoseconds)
            metrics.recordStage(
                .parse, nanoseconds: MonotonicClock.nowNanoseconds() &- arrivedNanoseconds)
        }
        beginWork()
        let eventLoop = loop.eventLoop
        loop.submit(decoded.request, to: servable) { [self] result in
            if eventLoop.inEventLoop {
                answer(result)
            } else {
                eventLoop.execute { answer(result) }
            }
            endWork()
        }
    }
}
