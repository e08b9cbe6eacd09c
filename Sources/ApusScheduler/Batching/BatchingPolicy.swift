import ApusCore

/// What to do next with the waiting requests.
enum BatchDecision<Payload> {
    /// Run these together, in this order. They have left the queue.
    case dispatch([PendingQueue<Payload>.Entry])
    /// Answer these with an error: their deadline or timeout passed. They have left the queue.
    case reject([PendingQueue<Payload>.Entry])
    /// Nothing now; ask again at this time (nil: only after a request or an instance came).
    case wait(until: UInt64?)
}

/// Decides which requests run together and when: pure, with time as an argument.
///
/// The group (`BatchKey`) whose first request has the highest priority and then came first goes
/// first, so no shape waits longer for an instance than others of its level. Within a group, the
/// rules are those of Triton's dynamic batcher: a batch that reaches a preferred size goes at once,
/// one that cannot grow goes at once, any other goes when its oldest request has waited the delay.
///
/// - Source: Triton model configuration, "Dynamic Batcher" and `ModelQueuePolicy`.
struct BatchingPolicy: Sendable {
    /// Rows per execution.
    let rowCountMax: Int
    /// Whether requests are joined at all; else each runs alone.
    let isJoining: Bool
    /// Ascending, each within `1...rowCountMax`.
    let preferredBatchSizes: [Int]
    /// How long a free instance waits for company of the oldest request.
    var queueDelayNanoseconds: UInt64

    init(_ configuration: ModelConfiguration) {
        let batching = configuration.joinsRequests ? configuration.dynamicBatching : nil
        let rowCountMax = max(configuration.maxBatchSize, 1)
        self.rowCountMax = rowCountMax
        isJoining = batching != nil
        let preferred = (batching?.preferredBatchSizes ?? []).filter { (1...rowCountMax) ~= $0 }
        preferredBatchSizes = preferred.isEmpty ? [rowCountMax] : preferred.sorted()
        let (nanoseconds, overflow) = (batching?.maxQueueDelayMicroseconds ?? 0)
            .multipliedReportingOverflow(by: 1000)
        queueDelayNanoseconds = overflow ? .max : nanoseconds
    }

    func next<Payload>(
        _ pending: inout PendingQueue<Payload>, now: UInt64, freeInstances: Int
    ) -> BatchDecision<Payload> {
        let expired = pending.removeExpired(now: now)
        guard expired.isEmpty else { return .reject(expired) }
        var wake = pending.expiryBoundNanoseconds
        if freeInstances > 0, !pending.isEmpty {
            switch readyBatch(in: pending, now: now) {
            case .ready(let group, let count):
                return .dispatch(pending.take(group, count: count))
            case .waiting(let until): wake = min(wake, until)
            }
        }
        return .wait(until: wake == .max ? nil : wake)
    }

    private enum Readiness {
        case ready(group: Int, count: Int)
        case waiting(until: UInt64)
    }

    /// The batch of the foremost group that has one ready, or when the first will be.
    private func readyBatch<Payload>(
        in pending: PendingQueue<Payload>, now: UInt64
    ) -> Readiness {
        var best: (group: Int, precedence: PendingQueue<Payload>.Precedence, count: Int)?
        var wake = UInt64.max
        for group in pending.groupIndices {
            guard let precedence = pending.precedence(group) else { continue }
            if let best, best.precedence < precedence { continue }
            let oldest = pending.oldestEnqueuedNanoseconds(group)
            if let count = batchCount(in: pending, group, oldest: oldest, now: now) {
                best = (group, precedence, count)
            } else {
                wake = min(wake, saturatingSum(oldest, queueDelayNanoseconds))
            }
        }
        guard let best else { return .waiting(until: wake) }
        return .ready(group: best.group, count: best.count)
    }

    /// How many requests of the group should run together now; nil to wait for company.
    private func batchCount<Payload>(
        in pending: PendingQueue<Payload>, _ group: Int, oldest: UInt64, now: UInt64
    ) -> Int? {
        guard isJoining else { return 1 }
        var (count, rows, preferredCount) = (0, 0, 0)
        var canGrow = true
        pending.forEach(group) { entry in
            let grown = rows + max(entry.rowCount, 1)
            guard count == 0 || grown <= rowCountMax else {
                canGrow = false
                return false
            }
            rows = grown
            count += 1
            if preferredBatchSizes.contains(rows) { preferredCount = count }
            canGrow = rows < rowCountMax
            return canGrow
        }
        let hasDelay = queueDelayNanoseconds > 0
        let delayIsOver = now >= saturatingSum(oldest, queueDelayNanoseconds)
        if hasDelay, delayIsOver { return count }
        if preferredCount > 0 { return preferredCount }
        let isLarge = rows >= preferredBatchSizes.last ?? rowCountMax
        return !hasDelay || !canGrow || isLarge ? count : nil
    }

    private func saturatingSum(_ time: UInt64, _ delay: UInt64) -> UInt64 {
        let (sum, overflow) = time.addingReportingOverflow(delay)
        return overflow ? .max : sum
    }
}
