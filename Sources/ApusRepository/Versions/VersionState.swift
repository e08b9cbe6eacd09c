import ApusCore

/// How far one load of one version is.
enum VersionState: Sendable, Hashable {
    /// Seen on disk, not looked at closely.
    case discovered
    /// Its files still change, or may.
    case settling
    /// Waits for a loading thread, or its file is read.
    case loading
    /// Configuration and golden cases are checked.
    case validating
    /// It runs once per batch size.
    case warming
    /// It answers requests.
    case ready
    /// It gets no new requests and finishes those that it has.
    case draining
    case unloaded
    case failed(reason: String)

    /// Whether a loading thread works on it, or will.
    var isLoading: Bool { self == .loading || self == .validating || self == .warming }

    /// For messages, e.g. `loading version 3`.
    func text(version: ModelVersion) -> String {
        switch self {
        case .discovered: "version \(version) was found"
        case .settling: "version \(version) is settling: waiting until its files stay unchanged"
        case .loading: "loading version \(version)"
        case .validating: "validating version \(version)"
        case .warming: "warming version \(version)"
        case .ready: "version \(version) is ready"
        case .draining: "version \(version) is being unloaded"
        case .unloaded: "version \(version) is unloaded"
        case .failed(let reason): "version \(version) failed: \(reason)"
        }
    }
}
