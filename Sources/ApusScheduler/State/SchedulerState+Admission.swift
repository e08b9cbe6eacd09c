import ApusCore

extension SchedulerState {
    /// Lets a request in and starts what can start, or refuses it.
    mutating func admit(
        _ request: PendingRequest, key: BatchKey, terms: QueueRules.Terms, now: UInt64,
        keeping scheduler: ModelScheduler, _ actions: inout Actions
    ) throws(SchedulerError) {
        guard !isDraining else { throw .draining(model: context.identity) }
        guard !request.cancellation.isCancelled else { throw .cancelled(model: context.identity) }
        try makeRoom(for: request, terms: terms, now: now, &actions)
        try checkDeadline(of: request, now: now)
        enqueue(request, key: key, terms: terms, now: now, keeping: scheduler)
    }

    /// Refuses the request if the queue is full, even without those that nobody waits for.
    private mutating func makeRoom(
        for request: PendingRequest, terms: QueueRules.Terms, now: UInt64,
        _ actions: inout Actions
    ) throws(SchedulerError) {
        if refusal(of: request, terms: terms) == nil { return }
        // Those that came together with it may have been able to start.
        decide(now: now, &actions)
        if refusal(of: request, terms: terms) == nil { return }
        let cancelled = pending.removeAll { $0.payload.request.cancellation.isCancelled }
        for entry in cancelled {
            refuse(entry, .cancelled(model: context.identity), now: now, &actions)
        }
        if let refusal = refusal(of: request, terms: terms) { throw refusal }
    }

    private func refusal(of request: PendingRequest, terms: QueueRules.Terms) -> SchedulerError? {
        if pending.count(atLevel: terms.level) >= terms.queueSizeMax {
            return .queueFull(
                model: context.identity, requestCountMax: terms.queueSizeMax,
                retryAfterSeconds: retryAfterSeconds())
        }
        let byteCountMax = context.limits.queueByteCountMax
        if !pending.isEmpty, request.byteCount > byteCountMax - pending.byteCount {
            return .queueBytesExceeded(
                model: context.identity, byteCountMax: byteCountMax,
                retryAfterSeconds: retryAfterSeconds())
        }
        return nil
    }

    /// Refuses the request if its deadline has passed or comes before it could be answered. An idle
    /// model always tries: its estimate may be out of date.
    private func checkDeadline(
        of request: PendingRequest, now: UInt64
    ) throws(SchedulerError) {
        guard let deadline = request.deadlineNanoseconds else { return }
        guard deadline > now else { throw .deadlinePassed(model: context.identity) }
        guard outstandingCount > 0 else { return }
        let needed = nanosecondsToAnswer()
        guard needed <= deadline - now else {
            throw .deadlineUnreachable(
                model: context.identity, neededMicroseconds: needed / 1000,
                remainingMicroseconds: (deadline - now) / 1000)
        }
    }

    /// When what waits now may be done: 1 to 60 seconds.
    private func retryAfterSeconds() -> Int {
        Int(min(nanosecondsToAnswer() / 1_000_000_000 + 1, 60))
    }

    private func nanosecondsToAnswer() -> UInt64 {
        estimate.nanosecondsToAnswer(batchesAhead: batchesAhead, instanceCount: runnerCountMax)
    }
}
