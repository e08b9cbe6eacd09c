import ApusCore

/// An admitted request on its way through queue, batch and answer.
final class PendingRequest: Sendable {
    typealias Answer = Result<InferenceResponse, any Error>

    let id: String
    let inputs: [Tensor?]
    let outputPositions: [Int]
    let rowCount: Int
    let byteCount: Int
    let cancellation: CancellationFlag
    let deadlineNanoseconds: UInt64?
    let receivedNanoseconds: UInt64
    let enqueuedNanoseconds: UInt64
    private let stageTimes: StageTimes?
    private let completion: @Sendable (Answer) -> Void

    init(
        _ request: InferenceRequest, checked: CheckedRequest, enqueuedNanoseconds: UInt64,
        completion: @escaping @Sendable (Answer) -> Void
    ) {
        id = request.id
        inputs = checked.inputs
        outputPositions = checked.outputPositions
        rowCount = checked.rowCount
        byteCount = checked.byteCount
        cancellation = request.cancellation
        deadlineNanoseconds = request.deadlineNanoseconds
        receivedNanoseconds = request.receivedNanoseconds
        stageTimes = request.stageTimes
        self.enqueuedNanoseconds = enqueuedNanoseconds
        self.completion = completion
    }

    /// As its execution sees it.
    var waiter: RunControl.Waiter {
        RunControl.Waiter(cancellation, deadlineNanoseconds: deadlineNanoseconds)
    }

    /// Notes the times of a traced request.
    func note(_ run: BatchRun) {
        guard let stageTimes else { return }
        var times = StageTimes.Values()
        times.queueStart = enqueuedNanoseconds
        times.computeStart = run.startedNanoseconds
        times.computeInputEnd = run.gatheredNanoseconds
        times.computeOutputStart = run.computedNanoseconds
        times.computeEnd = run.endedNanoseconds
        stageTimes.set(times)
    }

    /// Hands the answer out. Called once per request, outside locks and queues' state.
    func complete(_ answer: Answer) { completion(answer) }
}
