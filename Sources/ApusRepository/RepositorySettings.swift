/// How the repository behaves; the program makes it from the configuration.
public struct RepositorySettings: Sendable {
    /// When models are loaded and unloaded.
    public enum ControlMode: String, Sendable, Hashable {
        /// Everything is loaded at start and every settled change on disk is followed.
        case watch
        /// The same by rescans alone, without inotify.
        case poll
        /// Only `startupModels`, then load and unload calls.
        case explicit
        /// Everything is loaded at start; later changes are ignored.
        case none

        /// Whether changes on disk are followed.
        var isFollowing: Bool { self == .watch || self == .poll }
    }

    /// Directories with models.
    public var paths: [String]
    /// Models beside those of the directories.
    public var namedModels: [NamedModel] = []
    public var controlMode = ControlMode.watch
    /// Models to load at start in explicit mode; `*` = all.
    public var startupModels: [String] = []
    /// How long files must be unchanged before they are read.
    public var quietPeriod = Duration.milliseconds(500)
    /// Time between two looks at everything.
    public var rescanInterval = Duration.seconds(15)
    /// Versions that load at the same time; below 1 counts as 1.
    public var loadConcurrency = 1
    /// The same until the initial loads were tried, while there is nobody whom they could hold up.
    public var startLoadConcurrency = 1
    /// How long one version may take to load, its golden cases and warm-up included.
    public var loadTimeout = Duration.seconds(300)
    /// How long the requests of a version that was taken out of service may take; those that are
    /// left then are given up.
    public var unloadTimeout = Duration.seconds(300)
    /// What has to serve for the repository to count as ready.
    public var readinessRule = ReadinessRule.start
    /// Whether load calls may bring a configuration and files with them.
    public var allowsModelUpload = false
    /// Where files that come with load calls are kept, each model's in a private directory.
    public var stagingDirectory = "/tmp"
    /// Where it is written down which versions are being loaded, so that one that ends the process
    /// is not tried for ever; nil = nowhere. Must not lie in a repository.
    public var stateDirectory: String?

    public init(paths: [String]) { self.paths = paths }
}

extension Duration {
    /// Clamped to what 64 bits hold; 0 if negative.
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let (whole, isOver) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        return isOver ? .max : whole &+ UInt64(attoseconds / 1_000_000_000)
    }
}

extension UInt64 {
    /// The sum, or the largest number if it does not fit.
    func addingClamped(_ other: UInt64) -> UInt64 {
        let (sum, isOver) = addingReportingOverflow(other)
        return isOver ? .max : sum
    }
}
