public import ApusCore
import ApusMetrics
import Dispatch

extension ModelScheduler {
    public func infer(
        _ request: InferenceRequest,
        completion: @escaping @Sendable (Result<InferenceResponse, any Error>) -> Void
    ) {
        var actions = Actions()
        let now = clock()
        do throws(SchedulerError) {
            let checked = try check.checked(request)
            let pending = PendingRequest(
                request, checked: checked, enqueuedNanoseconds: now, completion: completion)
            let terms = rules.terms(
                priority: request.priority, timeoutMicroseconds: request.timeoutMicroseconds,
                now: now)
            let refusal: SchedulerError? = queue.sync {
                do throws(SchedulerError) {
                    try admit(pending, key: checked.key, terms: terms, now: now, &actions)
                    return nil
                } catch {
                    return error
                }
            }
            if let refusal { throw refusal }
        } catch {
            // Nobody else knows the request: it is answered here.
            record.failed(
                receivedNanoseconds: request.receivedNanoseconds, now: now, error: error,
                isExecuted: false)
            completion(.failure(error))
        }
        perform(actions)
    }

    /// Lets a request in and starts what can start, or refuses it. On `queue`.
    private func admit(
        _ request: PendingRequest, key: BatchKey, terms: QueueRules.Terms, now: UInt64,
        _ actions: inout Actions
    ) throws(SchedulerError) {
        guard !state.isDraining else { throw .draining(model: identity) }
        guard !request.cancellation.isCancelled else { throw .cancelled(model: identity) }
        try makeRoom(for: request, terms: terms, now: now, &actions)
        try checkDeadline(of: request, now: now)
        state.pending.append(
            PendingQueue.Entry(
                key: key, level: terms.level, rowCount: request.rowCount,
                byteCount: request.byteCount, enqueuedNanoseconds: now,
                timeoutNanoseconds: terms.timeoutNanoseconds, timeoutAction: terms.timeoutAction,
                deadlineNanoseconds: request.deadlineNanoseconds ?? .max,
                payload: Ticketed(request: request, place: state.order?.issue())))
        record.metrics.recordEnqueued(byteCount: request.byteCount)
        state.outstandingCount += 1
        state.whileBusy = self
        decide(&actions)
    }

    /// Refuses the request if the queue is full, even without those that nobody waits for.
    private func makeRoom(
        for request: PendingRequest, terms: QueueRules.Terms, now: UInt64,
        _ actions: inout Actions
    ) throws(SchedulerError) {
        if refusal(of: request, terms: terms) == nil { return }
        let cancelled = state.pending.removeAll { $0.payload.request.cancellation.isCancelled }
        for entry in cancelled {
            refuse(entry, .cancelled(model: identity), now: now, &actions)
        }
        if let refusal = refusal(of: request, terms: terms) { throw refusal }
    }

    private func refusal(of request: PendingRequest, terms: QueueRules.Terms) -> SchedulerError? {
        if state.pending.count(atLevel: terms.level) >= terms.queueSizeMax {
            return .queueFull(
                model: identity, requestCountMax: terms.queueSizeMax,
                retryAfterSeconds: retryAfterSeconds())
        }
        let room = limits.queueByteCountMax - state.pending.byteCount
        if !state.pending.isEmpty, request.byteCount > room {
            return .queueBytesExceeded(
                model: identity, byteCountMax: limits.queueByteCountMax,
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
        guard deadline > now else { throw .deadlinePassed(model: identity) }
        guard state.outstandingCount > 0 else { return }
        let needed = state.estimate.nanosecondsToAnswer(
            batchesAhead: batchesAhead(), instanceCount: state.runnerCountMax)
        guard needed <= deadline - now else {
            throw .deadlineUnreachable(
                model: identity, neededMicroseconds: needed / 1000,
                remainingMicroseconds: (deadline - now) / 1000)
        }
    }

    /// Batches that wait or run now.
    private func batchesAhead() -> Int {
        state.runningCount
            + state.pending.batchCount(
                rowCountMax: state.policy.rowCountMax, isJoining: state.policy.isJoining,
                limit: .max)
    }

    /// When what waits now may be done: 1 to 60 seconds.
    private func retryAfterSeconds() -> Int {
        let nanoseconds = state.estimate.nanosecondsToAnswer(
            batchesAhead: batchesAhead(), instanceCount: state.runnerCountMax)
        return Int(min(nanoseconds / 1_000_000_000 + 1, 60))
    }
}
