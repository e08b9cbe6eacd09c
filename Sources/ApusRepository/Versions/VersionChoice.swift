import ApusCore

/// How a version stands when the versions to serve are chosen.
struct VersionStanding: Sendable, Hashable {
    /// Its directory is there.
    var isOnDisk = true
    /// Its directory went away a moment ago: something may be on its way to the same place.
    var isLeaving = false
    /// Its files are whole and their load has not failed.
    var isLoadable = false
    /// Its files still change.
    var isSettling = false
    /// It serves, perhaps from files that have changed since.
    var isReady = false
}

/// Which versions of a model should be loaded, and which should stop serving.
struct VersionChoice: Sendable, Hashable {
    /// Those that the policy wants, whether they serve already or not.
    var wanted: Set<ModelVersion> = []
    var retired: Set<ModelVersion> = []
}

extension ModelConfiguration.VersionPolicy {
    /// Chooses. A version that failed or still changes counts as absent, so that the next lower one
    /// takes its place; and nothing that serves goes before what replaces it is ready.
    func choice(among standings: [ModelVersion: VersionStanding]) -> VersionChoice {
        let available = standings.filter { $0.value.isOnDisk && $0.value.canServe }
        let wanted = Set(selected(from: available.keys.sorted(by: >)))
        let others = standings.filter { $0.value.isReady && !wanted.contains($0.key) }
        let awaited = wanted.filter { standings[$0]?.isReady != true }.count
        var retired = Set(others.keys)
        if wanted.isEmpty {
            let isSomethingComing = standings.values.contains { $0.isOnDisk && $0.isSettling }
            retired = isSomethingComing ? [] : retired.filter { standings[$0]?.isLeaving != true }
        } else {
            for version in others.keys.sorted(by: >).prefix(awaited) { retired.remove(version) }
        }
        return VersionChoice(wanted: wanted, retired: retired)
    }

    /// - Parameter versions: descending.
    func selected(from versions: [ModelVersion]) -> [ModelVersion] {
        switch self {
        case .latest(let count): Array(versions.prefix(max(count, 0)))
        case .all: versions
        case .specific(let named): versions.filter(named.contains)
        }
    }
}

extension VersionStanding {
    var canServe: Bool { isReady || isLoadable }
}
