import ApusCore
import ApusMetrics

extension ModelRecord {
    /// What the metrics say of its versions, by their text; "" stands for a model that has failed
    /// without any. Versions of which there is nothing to say have no entry.
    var metricStates: [String: Set<ModelState>] {
        guard isWanted || !versions.isEmpty else { return [:] }
        let replaceable = versionsOfPolicy
        var states: [String: Set<ModelState>] = [:]
        for (version, record) in versions {
            var current: Set<ModelState> = []
            if record.isLoading { current.insert(.loading) }
            if record.serving != nil { current.insert(.ready) }
            if record.failure != nil, replaceable.contains(version) { current.insert(.failed) }
            if record.drainingCount > 0 { current.insert(.unloading) }
            if !current.isEmpty { states[version.description] = current }
        }
        // Not of a name that only a client knows.
        let isKnown = found != nil || expectation != .none
        if versions.isEmpty, isWanted, isKnown, operation == nil, problem != nil {
            states[""] = [.failed]
        }
        return states
    }

    /// Those that would serve if everything on disk could be loaded.
    private var versionsOfPolicy: Set<ModelVersion> {
        let policy = chosenVersions.map { .specific(Array($0)) } ?? configuration.versionPolicy
        let possible = versions.filter { $0.value.serving != nil || $0.value.failure != nil }
        return Set(policy.selected(from: possible.keys.sorted(by: >)))
    }
}
