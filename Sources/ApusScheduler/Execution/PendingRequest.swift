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
    /// How long its execution may take; nil = as long as it takes.
    private let executionNanosecondsMax: UInt64?
    private let stageTimes: StageTimes?
    private let completion: @Sendable (Answer) -> Void

    init(
        _ request: InferenceRequest, checked: CheckedRequest, enqueuedNanoseconds: UInt64,
        executionNanosecondsMax: UInt64? = nil,
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
        self.executionNanosecondsMax = executionNanosecondsMax
        self.completion = completion
    }

    /// As its execution sees it, which starts at `now`.
    func waiter(now: UInt64) -> RunControl.Waiter {
        var deadline = deadlineNanoseconds ?? .max
        if let limit = executionNanosecondsMax {
            let (end, isOver) = now.addingReportingOverflow(limit)
            if !isOver { deadline = min(deadline, end) }
        }
        return RunControl.Waiter(cancellation, deadlineNanoseconds: deadline)
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
