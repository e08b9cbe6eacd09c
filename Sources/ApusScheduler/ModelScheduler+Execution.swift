import ApusCore
import Dispatch
import Logging

extension ModelScheduler {
    /// Does what was decided. Outside the lock.
    func perform(_ actions: Actions) {
        for launch in actions.launches {
            launch.runner.queue.async { @Sendable in self.work(launch) }
        }
        for waiter in actions.drainWaiters { waiter.resume() }
        if !actions.answers.isEmpty { settle(count: answer(actions.answers)) }
    }

    /// Runs a batch and then, without leaving the thread, those that the same instance is given
    /// next. On the runner's queue.
    private func work(_ launch: Launch) {
        dispatchPrecondition(condition: .onQueue(launch.runner.queue))
        var next: Launch? = launch
        while let current = next {
            next = nil
            var actions = Actions()
            do {
                try current.runner.prepare()
                let started = clock()
                let answers = execute(current)
                let elapsed = clock() &- started
                let answeredCount = answer(answers)
                let now = clock()
                state.withLock { state in
                    state.settle(count: answeredCount, &actions)
                    state.finish(current, elapsedNanoseconds: elapsed, &actions)
                    state.decide(now: now, &actions)
                }
                let own = actions.launches.firstIndex { $0.runner === current.runner }
                next = own.map { actions.launches.remove(at: $0) }
            } catch {
                logger.warning(
                    "cannot make another instance",
                    metadata: ["model": "\(identity)", "error": "\(error)"])
                let now = clock()
                state.withLock { state in
                    state.giveBack(current)
                    state.decide(now: now, &actions)
                }
            }
            perform(actions)
        }
    }

    /// The answers to a batch. On the runner's queue.
    ///
    /// When a batch of several fails, each of its requests runs again alone: a request never fails
    /// because of its neighbours. A batch that nobody waits for any more stops.
    private func execute(_ launch: Launch) -> [Answered] {
        let requests = launch.requests
        let control = makeControl(requests)
        if let reason = control.stopReason { return stopped(launch, reason) }
        let run = launch.runner.run(
            requests, threadCount: launch.threadCount, control: control, scatter: scatter,
            split: split, clock: clock)
        for request in requests { request.note(run) }
        switch run.result {
        case .success(let responses):
            record.succeeded(requests, run)
            return zip(launch.batch, responses).map { entry, response in
                Answered(
                    request: entry.payload.request, place: entry.payload.place,
                    answer: .success(response))
            }
        case .failure(let error):
            if let reason = control.stopReason, Self.isStop(error),
                launch.batch.count == 1 || reason != .timeOver
            {
                return stopped(launch, reason)
            }
            if launch.batch.count == 1 { return launch.batch.map { failure($0, error) } }
            logger.debug(
                "batch failed, running its requests alone",
                metadata: [
                    "model": "\(identity)", "requests": "\(launch.batch.count)",
                    "error": "\(error)",
                ])
            return launch.batch.flatMap { entry in
                execute(
                    Launch(runner: launch.runner, batch: [entry], threadCount: launch.threadCount))
            }
        }
    }

    private func makeControl(_ requests: [PendingRequest]) -> RunControl {
        let now = clock()
        return RunControl(
            waiters: requests.map { $0.waiter(now: now) },
            endNanoseconds: executionNanosecondsMax.map { limit in
                let (time, isOver) = now.addingReportingOverflow(limit)
                return isOver ? .max : time
            }, end: end, clock: runClock)
    }

    /// Whether an execution ended because its control told it to.
    private static func isStop(_ error: any Error) -> Bool {
        (error as? any ServingError)?.kind == .cancelled
    }

    /// The answers to a batch that was given up.
    private func stopped(_ launch: Launch, _ reason: RunControl.StopReason) -> [Answered] {
        launch.batch.map { entry in
            let request = entry.payload.request
            let error: SchedulerError =
                switch reason {
                case .ended: .draining(model: identity)
                case .timeOver:
                    .executionTimedOut(
                        model: identity,
                        limitMicroseconds: (executionNanosecondsMax ?? 0) / 1000)
                case .abandoned where request.cancellation.isCancelled: .cancelled(model: identity)
                case .abandoned: .deadlinePassed(model: identity)
                }
            return failure(entry, error)
        }
    }

    private func failure(_ entry: PendingQueue<Ticketed>.Entry, _ error: any Error) -> Answered {
        let request = entry.payload.request
        logger.debug(
            "execution failed", metadata: ["model": "\(identity)", "error": "\(error)"])
        record.failed(
            receivedNanoseconds: request.receivedNanoseconds, now: clock(), error: error,
            isExecuted: true)
        return Answered(request: request, place: entry.payload.place, answer: .failure(error))
    }

    /// Hands answers out. Outside the lock.
    ///
    /// - Returns: how many the caller must settle. Where the order of admission is preserved, the
    ///   answers leave later and are settled then.
    private func answer(_ answers: [Answered]) -> Int {
        guard let answerQueue else {
            for answered in answers { answered.request.complete(answered.answer) }
            return answers.count
        }
        state.withLock { state in
            var released: [Answered] = []
            for answered in answers {
                guard let place = answered.place else { continue }
                released += state.order?.complete(place, with: answered) ?? []
            }
            guard !released.isEmpty else { return }
            let inOrder = released
            // Under the lock, so that two instances cannot overtake each other here.
            answerQueue.async { @Sendable in
                for answered in inOrder { answered.request.complete(answered.answer) }
                self.settle(count: inOrder.count)
            }
        }
        return 0
    }

    /// Counts requests as answered. Outside the lock.
    private func settle(count: Int) {
        var actions = Actions()
        state.withLock { $0.settle(count: count, &actions) }
        for waiter in actions.drainWaiters { waiter.resume() }
    }
}
