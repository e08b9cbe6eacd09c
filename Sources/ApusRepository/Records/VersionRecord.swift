import ApusCore

/// Everything that a load of a version depends on. As long as it is equal there is nothing to do.
struct VersionContent: Hashable, Sendable {
    let version: FileSignature
    /// Files beside the version directories: configuration, labels.
    let model: FileSignature
    /// What is wrong without reading the model.
    let problem: String?
    /// Number of the load call whose configuration or files hold; 0 = none.
    let overrideNumber: UInt64
}

/// One load of one version.
struct Generation: Sendable {
    /// Unique in the process.
    let number: UInt64
    let content: VersionContent
    private(set) var state = VersionState.discovered
    /// From `ready` until it is handed to the drainer.
    var servable: (any Servable)?
    /// Ends the load when this generation is given up.
    let interest = LoadInterest()

    init(number: UInt64, content: VersionContent) {
        self.number = number
        self.content = content
    }

    /// - Returns: whether the event was possible; if not, nothing changes.
    @discardableResult
    mutating func apply(_ event: VersionEvent) -> Bool {
        guard let next = state.next(event) else { return false }
        state = next
        return true
    }
}

/// Held by whoever wants the result of a load: the load is cancelled when nobody does any more.
final class LoadInterest: Sendable {
    let cancellation = CancellationFlag()

    deinit { cancellation.cancel() }
}

/// What the repository knows of one version.
struct VersionRecord: Sendable {
    struct Failure: Sendable {
        let content: VersionContent
        let reason: String
    }

    /// Nil while it is not on disk.
    var found: FoundVersion?
    /// Since when it is not on disk, if it was.
    var goneSince: UInt64?
    /// What is on disk now.
    var content: VersionContent?
    var observation = SettlingPolicy.Observation(unchangedSince: 0)
    /// What answers requests.
    var serving: Generation?
    /// What is on disk and may take its place.
    var candidate: Generation?
    /// Whether the candidate's files are whole.
    var isSettled = false
    /// The last failure, for as long as the files stay what they were.
    var failure: Failure?
    /// Whether it served, or was to be loaded, and was unloaded since.
    var isUnloaded = false
    /// Former generations that still answer requests.
    var drainingCount = 0

    var isEmpty: Bool {
        found == nil && serving == nil && candidate == nil && drainingCount == 0
    }

    var isLoading: Bool { candidate?.state.isLoading ?? false }
    var isSettling: Bool { candidate != nil && !isLoading && !isSettled }

    /// For people; nil if nothing ever happened to it.
    var state: VersionState? {
        if serving != nil { return .ready }
        if let candidate, candidate.state != .discovered { return candidate.state }
        if let failure { return .failed(reason: failure.reason) }
        if drainingCount > 0 { return .draining }
        return isUnloaded ? .unloaded : candidate?.state
    }
}
