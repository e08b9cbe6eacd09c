import ApusCore

/// A load call that is under way, and what to go back to if it fails.
struct LoadOperation: Sendable {
    typealias Outcome = Result<Void, RepositoryError>

    let formerOverride: LoadOverride?
    let formerPlace: NamedModel?
    let wasWanted: Bool
    /// Whether the look at the disk that the call asked for is over.
    var isObserved = false
    /// One sentence per version that failed.
    var reasons: [String] = []
    /// Resumed with the outcome, by whoever ends the operation.
    var continuation: CheckedContinuation<Outcome, Never>?
    /// The outcome, if it was there before the continuation.
    var outcome: Outcome?
}
