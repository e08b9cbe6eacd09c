import ApusCore

/// What serves now: an immutable table behind one lock that is held for a copy of its reference.
/// Written by the repository, read by every request.
final class ServingTable: Sendable {
    /// What is known of one model.
    struct Model: Sendable {
        /// By version, ascending.
        var ready: [any Servable] = []
        /// By the text of the version.
        var readyByVersion: [String: any Servable] = [:]
        /// Versions that exist but do not serve, with their state.
        var states: [String: String] = [:]
        /// Why nothing serves, if nothing does.
        var state = ""
    }

    private final class Snapshot: Sendable {
        let models: [String: Model]
        let readiness: RepositoryReadiness

        init(models: [String: Model], readiness: RepositoryReadiness) {
            self.models = models
            self.readiness = readiness
        }
    }

    private let current = Guarded(
        Snapshot(models: [:], readiness: RepositoryReadiness(isReady: false, missing: [])))

    private var snapshot: Snapshot { current.withLock { $0 } }

    var readiness: RepositoryReadiness { snapshot.readiness }

    func replace(models: [String: Model], readiness: RepositoryReadiness) {
        let fresh = Snapshot(models: models, readiness: readiness)
        // The former one is released outside of the lock.
        let former = current.withLock { snapshot in
            let former = snapshot
            snapshot = fresh
            return former
        }
        withExtendedLifetime(former) {}
    }

    func servable(name: String, version: String?) throws(RepositoryError) -> any Servable {
        guard let model = snapshot.models[name] else { throw .modelNotFound(name: name) }
        guard let version else {
            guard let newest = model.ready.last else {
                throw .notReady(name: name, version: nil, state: model.state)
            }
            return newest
        }
        if let servable = model.readyByVersion[version] { return servable }
        guard let state = model.states[version] else {
            throw .versionNotFound(name: name, version: version)
        }
        throw .notReady(name: name, version: version, state: state)
    }

    func readyVersions(of name: String) -> [any Servable] { snapshot.models[name]?.ready ?? [] }

    func allReady() -> [any Servable] {
        let models = snapshot.models
        return models.keys.sorted().flatMap { models[$0]?.ready ?? [] }
    }
}
