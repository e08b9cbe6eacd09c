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
        self.enqueuedNanoseconds = enqueuedNanoseconds
        self.completion = completion
    }

    /// Hands the answer out. Called once per request, outside locks and queues' state.
    func complete(_ answer: Answer) { completion(answer) }
}
