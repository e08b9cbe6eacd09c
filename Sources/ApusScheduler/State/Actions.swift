import ApusCore

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

/// What was decided under the lock and is done after leaving it.
struct Actions {
    var answers: [Answered] = []
    var launches: [Launch] = []
    var drainWaiters: [CheckedContinuation<Void, Never>] = []
    /// Kept until the lock is left: freeing it may free the lock.
    var released: ModelScheduler?
}
