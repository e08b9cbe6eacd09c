/// What happens to a version.
enum VersionEvent: Sendable, Hashable {
    /// Its files are not known to be whole yet.
    case unsettled
    /// It was chosen and given to the loading threads.
    case loadStarted
    /// The loading thread says where it is.
    case stage(LoadStage)
    /// It is loaded, checked and warm, and serves from now on.
    case served
    case failed(reason: String)
    /// It is not wanted any more: removed, replaced, or unloaded.
    case retired
    /// Its last request has been answered.
    case drained
}

extension VersionState {
    /// The state after an event; nil if the event cannot happen in this state.
    ///
    /// ```
    /// discovered → settling → loading → validating → warming → ready → draining → unloaded
    /// ```
    ///
    /// Until it is ready a version may fail or be given up at any point; a load may skip stages.
    func next(_ event: VersionEvent) -> VersionState? {
        switch (self, event) {
        case (.discovered, .unsettled), (.settling, .unsettled): .settling
        case (.discovered, .loadStarted), (.settling, .loadStarted): .loading
        case (.loading, .stage(.loading)): .loading
        case (.loading, .stage(.validating)), (.validating, .stage(.validating)): .validating
        case (.loading, .stage(.warming)), (.validating, .stage(.warming)),
            (.warming, .stage(.warming)):
            .warming
        case (.loading, .served), (.validating, .served), (.warming, .served): .ready
        case (.discovered, .failed(let reason)), (.settling, .failed(let reason)),
            (.loading, .failed(let reason)), (.validating, .failed(let reason)),
            (.warming, .failed(let reason)):
            .failed(reason: reason)
        case (.ready, .retired): .draining
        case (.draining, .drained): .unloaded
        case (.discovered, .retired), (.settling, .retired), (.loading, .retired),
            (.validating, .retired), (.warming, .retired), (.failed, .retired):
            .unloaded
        default: nil
        }
    }
}
