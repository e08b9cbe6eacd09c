import ApusCore
import ApusMetrics
import Dispatch
import Logging

extension ModelScheduler {
    /// Runs a batch and then, without leaving the thread, those that the queue gives the same
    /// instance. On the runner's queue.
    func work(_ launch: Launch) {
        dispatchPrecondition(condition: .onQueue(launch.runner.queue))
        var next: Launch? = launch
        while let current = next {
            next = nil
            do {
                try current.runner.prepare()
            } catch {
                giveBack(current, because: error)
                return
            }
            let started = clock()
            let answers = execute(current)
            let elapsed = clock() &- started
            let answeredCount = answer(answers)
            var actions = Actions()
            queue.sync {
                state.estimate.record(nanoseconds: elapsed)
                settle(count: answeredCount, &actions)
                release(current)
                state.idleRunners.append(current.runner)
                decide(&actions)
            }
            if let own = actions.launches.firstIndex(where: { $0.runner === current.runner }) {
                next = actions.launches.remove(at: own)
            }
            perform(actions)
        }
    }

    /// The answers to a batch. On the runner's queue.
    ///
    /// When a batch of several fails, each of its requests runs again alone: a request never fails
    /// because of its neighbours.
    private func execute(_ launch: Launch) -> [Answered] {
        let requests = launch.requests
        let run = launch.runner.run(
            requests, threadCount: launch.threadCount, scatter: scatter, clock: clock)
        switch run.result {
        case .success(let responses):
            record.succeeded(requests, run)
            return zip(launch.batch, responses).map { entry, response in
                Answered(
                    request: entry.payload.request, place: entry.payload.place,
                    answer: .success(response))
            }
        case .failure(let error) where launch.batch.count == 1:
            return launch.batch.map { failure($0, error) }
        case .failure(let error):
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

    private func failure(_ entry: PendingQueue<Ticketed>.Entry, _ error: any Error) -> Answered {
        let request = entry.payload.request
        logger.debug(
            "execution failed", metadata: ["model": "\(identity)", "error": "\(error)"])
        record.failed(
            receivedNanoseconds: request.receivedNanoseconds, now: clock(), error: error,
            isExecuted: true)
        return Answered(request: request, place: entry.payload.place, answer: .failure(error))
    }

    /// An instance could not be made: its batch goes back to the queue's front, and the model makes
    /// do with the instances it has. On the runner's queue.
    private func giveBack(_ launch: Launch, because error: any Error) {
        logger.warning(
            "cannot make another instance",
            metadata: ["model": "\(identity)", "error": "\(error)"])
        var actions = Actions()
        queue.sync {
            state.runnerCount -= 1
            state.runnerCountMax = max(state.runnerCount, 1)
            release(launch)
            for entry in launch.batch {
                record.metrics.recordEnqueued(byteCount: entry.byteCount)
            }
            state.pending.restore(launch.batch)
            decide(&actions)
        }
        perform(actions)
    }

    /// An execution's cores are free again. On `queue`.
    private func release(_ launch: Launch) {
        cores.release(launch.threadCount)
        state.runningCount -= 1
        record.metrics.instancesBusy.subtract(1)
    }
}
