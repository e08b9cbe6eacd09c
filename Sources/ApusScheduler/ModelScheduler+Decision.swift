import ApusCore
import ApusMetrics
import Dispatch

/// What waits: the request, and its place in the order of answers if that is preserved.
struct Ticketed: Sendable {
    let request: PendingRequest
    let place: UInt64?
}

/// A request with its answer.
struct Answered: Sendable {
    let request: PendingRequest
    let place: UInt64?
    let answer: PendingRequest.Answer
}

/// A batch on its way to an instance.
struct Launch: Sendable {
    let runner: InstanceRunner
    let batch: [PendingQueue<Ticketed>.Entry]
    let threadCount: Int

    var requests: [PendingRequest] { batch.map(\.payload.request) }
}

/// What was decided on the queue and is done after leaving it.
struct Actions {
    var answers: [Answered] = []
    var launches: [Launch] = []
    var drainWaiters: [CheckedContinuation<Void, Never>] = []
}

extension ModelScheduler {
    /// Asks the policy until there is nothing more to do. On `queue`.
    func decide(_ actions: inout Actions) {
        dispatchPrecondition(condition: .onQueue(queue))
        let now = clock()
        while true {
            let freeInstances = freeInstanceCount()
            switch state.policy.next(&state.pending, now: now, freeInstances: freeInstances) {
            case .reject(let entries):
                for entry in entries {
                    refuse(entry, expiry(of: entry, now: now), now: now, &actions)
                }
            case .dispatch(let entries):
                launch(entries, freeInstances: freeInstances, now: now, &actions)
            case .wait(let until):
                setTimer(until: until, now: now)
                return
            }
        }
    }

    /// Takes a request that has left the queue out with an error. On `queue`.
    func refuse(
        _ entry: PendingQueue<Ticketed>.Entry, _ error: SchedulerError, now: UInt64,
        _ actions: inout Actions
    ) {
        let request = entry.payload.request
        record.metrics.recordDequeued(byteCount: request.byteCount)
        record.failed(
            receivedNanoseconds: request.receivedNanoseconds, now: now, error: error,
            isExecuted: false)
        actions.answers.append(
            Answered(request: request, place: entry.payload.place, answer: .failure(error)))
    }

    /// Does what was decided. Outside `queue`.
    func perform(_ actions: Actions) {
        for launch in actions.launches {
            launch.runner.queue.async { @Sendable in self.work(launch) }
        }
        for waiter in actions.drainWaiters { waiter.resume() }
        guard !actions.answers.isEmpty else { return }
        let count = answer(actions.answers)
        settle(count: count)
    }

    /// Hands answers out. Outside `queue`.
    ///
    /// - Returns: how many the caller must settle. Where the order of admission is preserved, the
    ///   answers leave later and are settled then.
    func answer(_ answers: [Answered]) -> Int {
        guard let answerQueue else {
            for answered in answers { answered.request.complete(answered.answer) }
            return answers.count
        }
        queue.sync {
            var released: [Answered] = []
            for answered in answers {
                guard let place = answered.place else { continue }
                released += state.order?.complete(place, with: answered) ?? []
            }
            guard !released.isEmpty else { return }
            let inOrder = released
            answerQueue.async { @Sendable in
                for answered in inOrder { answered.request.complete(answered.answer) }
                self.settle(count: inOrder.count)
            }
        }
        return 0
    }

    /// Counts requests as answered. Outside `queue`.
    private func settle(count: Int) {
        var actions = Actions()
        queue.sync { settle(count: count, &actions) }
        for waiter in actions.drainWaiters { waiter.resume() }
    }

    /// Counts requests as answered, and notices when a drain is over. On `queue`.
    func settle(count: Int, _ actions: inout Actions) {
        dispatchPrecondition(condition: .onQueue(queue))
        state.outstandingCount -= count
        precondition(state.outstandingCount >= 0, "more answers than requests")
        guard state.outstandingCount == 0 else { return }
        actions.drainWaiters += state.drainWaiters
        state.drainWaiters = []
        state.whileBusy = nil
    }

    private func freeInstanceCount() -> Int {
        let possible = state.idleRunners.count + state.runnerCountMax - state.runnerCount
        let planned = plan.freeInstances(
            runningCount: state.runningCount, freeCoreCount: cores.freeCoreCount)
        return min(possible, planned)
    }

    private func launch(
        _ entries: [PendingQueue<Ticketed>.Entry], freeInstances: Int, now: UInt64,
        _ actions: inout Actions
    ) {
        var batch: [PendingQueue<Ticketed>.Entry] = []
        batch.reserveCapacity(entries.count)
        for entry in entries {
            if entry.payload.request.cancellation.isCancelled {
                refuse(entry, .cancelled(model: identity), now: now, &actions)
            } else {
                record.metrics.recordDequeued(byteCount: entry.byteCount)
                batch.append(entry)
            }
        }
        guard !batch.isEmpty else { return }
        let waiting = state.pending.batchCount(
            rowCountMax: state.policy.rowCountMax, isJoining: state.policy.isJoining,
            limit: freeInstances)
        let threadCount = plan.threadCount(
            readyBatchCount: waiting + 1, freeInstances: freeInstances,
            freeCoreCount: cores.freeCoreCount)
        cores.occupy(threadCount)
        state.runningCount += 1
        record.metrics.instancesBusy.add(1)
        actions.launches.append(
            Launch(runner: takeRunner(), batch: batch, threadCount: threadCount))
    }

    /// The runner that was busy last, whose memory is warm; a new one if all are busy.
    private func takeRunner() -> InstanceRunner {
        if let runner = state.idleRunners.popLast() { return runner }
        let number = state.runnerCount
        state.runnerCount += 1
        return InstanceRunner(model: model, label: "apus.instance.\(identity).\(number)")
    }

    private func expiry(of entry: PendingQueue<Ticketed>.Entry, now: UInt64) -> SchedulerError {
        if entry.deadlineNanoseconds <= now { return .deadlinePassed(model: identity) }
        let waited = now &- entry.enqueuedNanoseconds
        return .timedOutInQueue(model: identity, waitedMicroseconds: waited / 1000)
    }

    /// Lets the timer fire at `until`, unless it fires before that anyway. On `queue`.
    private func setTimer(until: UInt64?, now: UInt64) {
        guard let until, until < state.timerNanoseconds else { return }
        state.timerNanoseconds = until
        let timer = state.timer ?? makeTimer()
        let delay = Int(clamping: min(until - min(now, until), 1 << 60))
        timer.schedule(deadline: .now() + .nanoseconds(delay), leeway: .nanoseconds(0))
    }

    private func makeTimer() -> any DispatchSourceTimer {
        let timer = DispatchSource.makeTimerSource(queue: queue)
        timer.setEventHandler { @Sendable [weak self] in
            guard let self else { return }
            var actions = Actions()
            state.timerNanoseconds = .max
            decide(&actions)
            // Answers are given outside the queue, on a thread that may enter it.
            if !actions.answers.isEmpty || !actions.launches.isEmpty {
                let decided = actions
                DispatchQueue.global().async { @Sendable in self.perform(decided) }
            }
        }
        state.timer = timer
        timer.activate()
        return timer
    }
}
