import ApusMetrics
import NIOCore

extension HTTPConnection {
    /// How long a client may go on sending behind the last answer.
    private static let lingerNanoseconds: UInt64 = 2_000_000_000

    /// Closes what takes too long.
    func checkTimeouts(now: UInt64) {
        let configuration = server.configuration
        if phase == .closing, now &- quietSinceNanoseconds > Self.lingerNanoseconds,
            context?.channel.isWritable != false
        {
            closeNow()
            return
        }
        if isStalled(now: now, limit: configuration.writeTimeout.nanoseconds) {
            closeNow()
            return
        }
        let requestLimit = configuration.requestTimeout.nanoseconds
        switch phase {
        case .receivingBody:
            guard let exchange = exchanges.last,
                now &- exchange.receivedNanoseconds > requestLimit
            else { return }
            if exchange.response == nil, exchange.route?.endpoint.isInference == true {
                server.metrics.server.recordRefusal(.slowClient)
            }
            refuse(.requestTimeout)
        case .awaitingHead:
            if let started = headStartedNanoseconds {
                if now &- started > requestLimit { refuse(.requestTimeout) }
            } else if exchanges.isEmpty,
                now &- quietSinceNanoseconds > configuration.idleTimeout.nanoseconds
            {
                closeNow()
            }
        case .closing, .closed: break
        }
    }

    /// Whether the client has taken nothing of its answers for too long.
    private func isStalled(now: UInt64, limit: UInt64) -> Bool {
        guard let channel = context?.channel, !channel.isWritable else {
            stall = nil
            return false
        }
        let buffered = (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        guard let stall, stall.bufferedByteCount == buffered else {
            self.stall = (now, buffered)
            return false
        }
        return now &- stall.sinceNanoseconds > limit
    }
}

extension Duration {
    /// Whole nanoseconds; nothing below zero, and no more than fit.
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let (whole, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max / 2 : min(whole + UInt64(attoseconds) / 1_000_000_000, .max / 2)
    }
}
