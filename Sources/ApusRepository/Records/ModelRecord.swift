import ApusCore

/// What a load call brought instead of the files on disk.
struct LoadOverride: Sendable {
    /// Unique in the process, never 0.
    let number: UInt64
    let configurationJSON: String
    let configuration: ModelConfiguration
    /// Nil if the model's own files hold.
    let staging: StagingDirectory?
}

/// What the repository knows of one model.
struct ModelRecord: Sendable {
    let name: ModelName
    /// Whether it should serve: told by the control mode, and by load and unload calls.
    var isWanted: Bool
    var expectation: Expectation
    /// Nil while it is not on disk.
    var found: FoundModel?
    var loadOverride: LoadOverride?
    /// The versions that load and unload calls have chosen; nil = those of the version policy.
    var chosenVersions: Set<ModelVersion>?
    /// The configuration that holds: that of the files when they had settled last.
    var configuration: ModelConfiguration
    /// The files beside the version directories.
    var files = ObservedFiles()
    var versions: [ModelVersion: VersionRecord] = [:]
    /// The load call that is under way.
    var operation: LoadOperation?
    /// Looks at the disk that began before this one say nothing about this model.
    var firstScan: UInt64 = 0
    /// Whether it goes back to other files, after a load that failed, and they were not looked at
    /// yet.
    var isReturning = false
    /// When to look again, if nothing happens before.
    var nextLook: UInt64?
    var loggedProblem: String?

    /// Files whose last change is remembered.
    struct ObservedFiles: Sendable {
        var signature: FileSignature?
        var unchangedSince: UInt64 = 0
        var isRenamedIntoPlace = false
    }

    init(name: ModelName, isWanted: Bool, expectation: Expectation = .none) {
        self.name = name
        self.isWanted = isWanted
        self.expectation = expectation
        configuration = ModelConfiguration(name: name.text)
    }

    /// Whether it can be forgotten.
    var isEmpty: Bool {
        found == nil && versions.isEmpty && operation == nil && expectation == .none
    }

    /// The versions that serve.
    var servingVersions: Set<ModelVersion> {
        Set(versions.filter { $0.value.serving != nil }.keys)
    }

    var hasReady: Bool { versions.values.contains { $0.serving != nil } }

    /// Whether something serves that is still on disk.
    var servesWhatIsFound: Bool {
        versions.values.contains { $0.serving != nil && $0.found != nil }
    }

    /// Whether a load, or a check before one, is under way.
    var isBusy: Bool {
        versions.values.contains {
            $0.isLoading || ($0.candidate != nil && $0.observation.manifest == .verifying)
        }
    }

    /// What is wrong with it as a whole, and nobody waits for it to get better.
    var problem: String? {
        guard let found else { return isWanted ? "it was not found" : nil }
        if let problem = found.problem { return problem }
        return found.versions.isEmpty && !hasReady
            ? "\(found.path) has no version directory, such as 1" : nil
    }

    /// Why nothing serves: the highest version that something happened to.
    var stateText: String {
        if !isWanted {
            let isDraining = versions.values.contains { $0.drainingCount > 0 }
            return isDraining ? "it is being unloaded" : "it is not loaded"
        }
        let states = versions.sorted { $0.key > $1.key }.compactMap { version, record in
            record.state.map { (version, $0) }
        }
        let shown = states.first { $0.1.isLoading } ?? states.first
        return shown.map { $1.text(version: $0) } ?? problem ?? "it has no version yet"
    }

    /// How a version stands in the choice of those that serve.
    func standing(_ record: VersionRecord, now: UInt64, quietNanoseconds: UInt64)
        -> VersionStanding
    {
        VersionStanding(
            isOnDisk: record.found != nil,
            // A load call may lead elsewhere and back.
            isLeaving: operation != nil || isReturning
                || record.goneSince.map { $0 &+ quietNanoseconds > now } ?? false,
            isLoadable: record.candidate != nil && (record.isSettled || record.isLoading),
            isSettling: record.isSettling, isReady: record.serving != nil)
    }

    func choice(now: UInt64, quietNanoseconds: UInt64) -> VersionChoice {
        guard isWanted else {
            return VersionChoice(
                wanted: [], retired: Set(versions.filter { $0.value.serving != nil }.keys))
        }
        let policy =
            chosenVersions.map { .specific(Array($0)) } ?? configuration.versionPolicy
        return policy.choice(
            among: versions.mapValues {
                standing($0, now: now, quietNanoseconds: quietNanoseconds)
            })
    }
}
