import ApusCore
import ApusMetrics

/// What changes in a scheduler, as a plain value behind its lock: who waits, who runs.
///
/// Its methods decide and note down in `Actions` what is to be done; nothing is run, answered or
/// logged from here.
struct SchedulerState {
    let context: SchedulerContext
    var policy: BatchingPolicy
    var pending = PendingQueue<Ticketed>()
    var estimate = ExecutionEstimate()
    var isDraining = false
    var drainWaiters: [CheckedContinuation<Void, Never>] = []
    /// For `preserve_ordering`, else nil.
    var order: ResponseOrder<Answered>?
    var timer: WakeTimer?

    private var idleRunners: [InstanceRunner]
    /// Runners made so far, idle or busy.
    private var runnerCount: Int
    /// Lowered when an instance cannot be made.
    private(set) var runnerCountMax: Int
    private(set) var runningCount = 0
    /// Admitted requests that have not been answered.
    private(set) var outstandingCount = 0
    /// Keeps the scheduler alive while it owes answers.
    private var whileBusy: ModelScheduler?

    init(
        context: SchedulerContext, policy: BatchingPolicy, firstRunner: InstanceRunner,
        preservesOrder: Bool
    ) {
        self.context = context
        self.policy = policy
        idleRunners = [firstRunner]
        runnerCount = 1
        runnerCountMax = context.plan.instanceCountMax
        order = preservesOrder ? ResponseOrder() : nil
    }

    /// Asks the policy until there is nothing more to do.
    mutating func decide(now: UInt64, _ actions: inout Actions) {
        while true {
            let freeInstances = freeInstanceCount()
            switch policy.next(&pending, now: now, freeInstances: freeInstances) {
            case .reject(let entries):
                for entry in entries {
                    refuse(entry, expiry(of: entry, now: now), now: now, &actions)
                }
            case .dispatch(let entries):
                launch(entries, freeInstances: freeInstances, now: now, &actions)
            case .wait(let until):
                if let until { timer?.set(to: until, now: now) }
                return
            }
        }
    }

    /// Lets a request wait; `keeping` stays alive until it is answered.
    mutating func enqueue(
        _ request: PendingRequest, key: BatchKey, terms: QueueRules.Terms, now: UInt64,
        keeping scheduler: ModelScheduler
    ) {
        pending.append(
            PendingQueue.Entry(
                key: key, level: terms.level, rowCount: request.rowCount,
                byteCount: request.byteCount, enqueuedNanoseconds: now,
                timeoutNanoseconds: terms.timeoutNanoseconds, timeoutAction: terms.timeoutAction,
                deadlineNanoseconds: request.deadlineNanoseconds ?? .max,
                payload: Ticketed(request: request, place: order?.issue())))
        context.record.metrics.recordEnqueued(byteCount: request.byteCount)
        outstandingCount += 1
        whileBusy = scheduler
    }

    /// Answers a request that has left the queue with an error.
    mutating func refuse(
        _ entry: PendingQueue<Ticketed>.Entry, _ error: SchedulerError, now: UInt64,
        _ actions: inout Actions
    ) {
        let request = entry.payload.request
        context.record.metrics.recordDequeued(byteCount: request.byteCount)
        context.record.failed(
            receivedNanoseconds: request.receivedNanoseconds, now: now, error: error,
            isExecuted: false)
        actions.answers.append(
            Answered(request: request, place: entry.payload.place, answer: .failure(error)))
    }

    /// Refuses those that wait, and all that come.
    mutating func abandon(now: UInt64, _ actions: inout Actions) {
        isDraining = true
        for entry in pending.removeAll(where: { _ in true }) {
            refuse(entry, .draining(model: context.identity), now: now, &actions)
        }
    }

    /// Counts requests as answered, and notices when a drain is over.
    mutating func settle(count: Int, _ actions: inout Actions) {
        outstandingCount -= count
        precondition(outstandingCount >= 0, "more answers than requests")
        guard outstandingCount == 0 else { return }
        actions.released = whileBusy
        whileBusy = nil
        endDrain(&actions)
    }

    /// Whether everything is answered and every instance and core given back. Where the order of
    /// answers is preserved, the last answer may leave before its instance is free.
    var isIdle: Bool { outstandingCount == 0 && runningCount == 0 }

    /// Lets those go on who wait for the end of the drain, if it has come.
    private mutating func endDrain(_ actions: inout Actions) {
        guard isIdle else { return }
        actions.drainWaiters += drainWaiters
        drainWaiters = []
    }

    /// An execution ended: its instance and cores are free again.
    mutating func finish(
        _ launch: Launch, elapsedNanoseconds: UInt64, _ actions: inout Actions
    ) {
        estimate.record(nanoseconds: elapsedNanoseconds)
        release(launch)
        idleRunners.append(launch.runner)
        endDrain(&actions)
    }

    /// An execution could not start for want of an instance: its batch goes back to the queue's
    /// front, and the model makes do with the instances it has.
    mutating func giveBack(_ launch: Launch) {
        release(launch)
        runnerCount -= 1
        runnerCountMax = max(runnerCount, 1)
        for entry in launch.batch {
            context.record.metrics.recordEnqueued(byteCount: entry.byteCount)
        }
        pending.restore(launch.batch)
    }

    /// Batches that wait or run now.
    var batchesAhead: Int { runningCount + waitingBatchCount(limit: .max) }

    private func waitingBatchCount(limit: Int) -> Int {
        pending.batchCount(
            rowCountMax: policy.rowCountMax, isJoining: policy.isJoining, limit: limit)
    }

    private func freeInstanceCount() -> Int {
        let possible = idleRunners.count + runnerCountMax - runnerCount
        let planned = context.plan.freeInstances(
            runningCount: runningCount, freeCoreCount: context.cores.freeCoreCount)
        return min(possible, planned)
    }

    private mutating func launch(
        _ entries: [PendingQueue<Ticketed>.Entry], freeInstances: Int, now: UInt64,
        _ actions: inout Actions
    ) {
        var batch: [PendingQueue<Ticketed>.Entry] = []
        batch.reserveCapacity(entries.count)
        for entry in entries {
            if entry.payload.request.cancellation.isCancelled {
                refuse(entry, .cancelled(model: context.identity), now: now, &actions)
            } else {
                context.record.metrics.recordDequeued(byteCount: entry.byteCount)
                batch.append(entry)
            }
        }
        guard !batch.isEmpty else { return }
        let threadCount = context.plan.threadCount(
            readyBatchCount: 1 + waitingBatchCount(limit: freeInstances),
            freeInstances: freeInstances, freeCoreCount: context.cores.freeCoreCount)
        context.cores.occupy(threadCount)
        context.record.metrics.instancesBusy.add(1)
        runningCount += 1
        actions.launches.append(
            Launch(runner: takeRunner(), batch: batch, threadCount: threadCount))
    }

    /// The runner that was busy last, whose memory is warm; a new one if all are busy.
    private mutating func takeRunner() -> InstanceRunner {
        if let runner = idleRunners.popLast() { return runner }
        let number = runnerCount
        runnerCount += 1
        return InstanceRunner(
            model: context.model, label: "apus.instance.\(context.identity).\(number)")
    }

    private mutating func release(_ launch: Launch) {
        runningCount -= 1
        context.cores.release(launch.threadCount)
        context.record.metrics.instancesBusy.subtract(1)
    }

    private func expiry(of entry: PendingQueue<Ticketed>.Entry, now: UInt64) -> SchedulerError {
        if entry.deadlineNanoseconds <= now { return .deadlinePassed(model: context.identity) }
        let waited = now &- entry.enqueuedNanoseconds
        return .timedOutInQueue(model: context.identity, waitedMicroseconds: waited / 1000)
    }
}
