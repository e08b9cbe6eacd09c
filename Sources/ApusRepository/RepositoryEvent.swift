import ApusCore

/// What the parts around the repository tell it. One task takes the events in, in order.
enum RepositoryEvent: Sendable {
    case watched(WatchReport)
    case scanned(number: UInt64, ScanScope, RepositorySnapshot)
    case verified(LoadTicket, mismatch: String?)
    case stage(LoadTicket, LoadStage)
    case loaded(LoadTicket, LoadOutcome, nanoseconds: UInt64)
    case drained(ModelIdentity)
    /// A moment that something waited for has come.
    case timeForLook
    case timeForRescan
    /// Whoever waits for the end of the drain has no more time.
    case drainAbandoned
}

/// Names one generation.
struct LoadTicket: Sendable, Hashable {
    let identity: ModelIdentity
    let number: UInt64
}

/// How a load ended.
enum LoadOutcome: Sendable {
    case success(any Servable)
    case failure(reason: String)
    /// The files changed meanwhile.
    case outdated
}
