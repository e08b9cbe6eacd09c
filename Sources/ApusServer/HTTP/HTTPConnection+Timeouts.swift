import ApusMetrics
import NIOCore

extension HTTPConnection {
    /// How long a client may go on sending behind the last answer.
    private static let lingerNanoseconds: UInt64 = 2_000_000_000

    /// How long a client that has closed its side may wait for its answer.
    private static let goneNanoseconds: UInt64 = 1_000_000_000

    /// Closes what takes too long.
    func checkTimeouts(now: UInt64) {
        let configuration = server.configuration
        if hasUnsentBytes(now: now) {
            quietSinceNanoseconds = now
            let limit = configuration.patience(isDraining: isDraining).nanoseconds
            if let stall, now &- stall.sinceNanoseconds > limit {
                closeNow()
                return
            }
        }
        // Most who send no more have gone.
        if let inputEndedNanoseconds, now &- inputEndedNanoseconds > Self.goneNanoseconds,
            let first = exchanges.first, first.response == nil
        {
            closeNow()
            return
        }
        switch phase {
        case .receivingBody:
            guard let exchange = exchanges.last, isLate(exchange.receivedNanoseconds, now: now)
            else { return }
            if exchange.response == nil, exchange.route?.endpoint.isInference == true {
                server.metrics.server.recordRefusal(.slowClient)
            }
            refuse(.requestTimeout)
        // What is not read is not late.
        case .awaitingHead where isReadingStopped: break
        case .awaitingHead:
            if let started = headStartedNanoseconds {
                if isLate(started, now: now) { refuse(.requestTimeout) }
            } else if exchanges.isEmpty {
                let quiet = now &- min(quietSinceNanoseconds, now)
                if quiet > configuration.idleTimeout.nanoseconds { return closeNow() }
                if isDraining, quiet > configuration.drainGrace.nanoseconds { closeIfIdle() }
            }
        case .closing:
            if now &- quietSinceNanoseconds > Self.lingerNanoseconds { closeNow() }
        case .closed: break
        }
    }

    /// Whether a request has been arriving for too long, or nothing of it comes while the server stops.
    private func isLate(_ started: UInt64, now: UInt64) -> Bool {
        let configuration = server.configuration
        if now &- started > configuration.requestTimeout.nanoseconds { return true }
        guard let drainingSinceNanoseconds else { return false }
        let last = min(max(arrivedNanoseconds, drainingSinceNanoseconds), now)
        return now &- last > configuration.drainPatience.nanoseconds
    }

    func idleNanoseconds(now: UInt64) -> UInt64? {
        guard phase == .awaitingHead, exchanges.isEmpty, headStartedNanoseconds == nil,
            now > quietSinceNanoseconds
        else { return nil }
        return now - quietSinceNanoseconds
    }

    /// Whether the client has still to take some of its answers; notes since when it takes nothing.
    private func hasUnsentBytes(now: UInt64) -> Bool {
        let buffered =
            (try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        guard buffered > 0 else {
            stall = nil
            return false
        }
        if stall?.bufferedByteCount != buffered { stall = (now, buffered) }
        return true
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
