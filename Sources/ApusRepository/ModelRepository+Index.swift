import ApusCore
import Logging

extension ModelRepository {
    public func index() async -> [ModelIndexEntry] {
        // In explicit mode nobody else looks what there is.
        if settings.controlMode == .explicit, phase == .serving { await rescan(.everything) }
        return models.values.sorted { $0.name < $1.name }.flatMap(Self.entries)
    }

    private static func entries(_ model: ModelRecord) -> [ModelIndexEntry] {
        let tried = model.versions.sorted { $0.key < $1.key }.compactMap { version, record in
            entry(model, version, record)
        }
        guard tried.isEmpty else { return tried }
        let problem = model.found == nil && !model.isWanted ? nil : model.problem
        return [
            ModelIndexEntry(
                name: model.name.text, version: nil, state: problem.map { _ in .unavailable },
                reason: problem)
        ]
    }

    /// Nil for a version that was never tried.
    private static func entry(
        _ model: ModelRecord, _ version: ModelVersion, _ record: VersionRecord
    ) -> ModelIndexEntry? {
        var state: ModelIndexEntry.State
        var reason = record.failure?.reason
        switch record.state {
        case nil, .discovered?, .settling?: return nil
        case .loading?, .validating?, .warming?: state = .loading
        case .ready?:
            state = .ready
            reason = reason.map { "the version that was loaded before goes on: \($0)" }
        case .draining?: state = .unloading
        case .unloaded?: (state, reason) = (.unavailable, "unloaded")
        case .failed(let why)?: (state, reason) = (.unavailable, why)
        }
        return ModelIndexEntry(
            name: model.name.text, version: version, state: state, reason: reason)
    }

    // MARK: What requests see

    /// Brings a model's row up to date; `publish` shows it.
    func updateRow(_ name: String) {
        guard let model = models[name] else {
            rows[name] = nil
            return
        }
        var row = ServingTable.Model()
        for (version, record) in model.versions.sorted(by: { $0.key < $1.key }) {
            if let servable = record.serving?.servable {
                row.ready.append(servable)
                row.readyByVersion[version.description] = servable
            } else if let state = record.state {
                row.states[version.description] = state.text(version: version)
            }
        }
        if row.ready.isEmpty { row.state = model.stateText }
        rows[name] = row
    }

    func publish() { table.replace(models: rows, readiness: currentReadiness()) }

    private func currentReadiness() -> RepositoryReadiness {
        switch phase {
        case .stopping:
            return RepositoryReadiness(isReady: false, missing: ["the server is stopping"])
        case .idle, .starting, .serving: break
        }
        var missing: [String] = []
        for (name, model) in models.sorted(by: { $0.key < $1.key })
        where isMissing(model) {
            missing.append("model \"\(name)\": \(model.stateText)")
        }
        if phase != .serving, missing.isEmpty { missing = ["the models are still being read"] }
        let isTried = phase == .serving && !settings.isReadinessStrict
        return RepositoryReadiness(isReady: isTried || missing.isEmpty, missing: missing)
    }

    /// A model that comes while the daemon serves, and still loads, is no reason to send requests
    /// for other models elsewhere; one that failed should be seen.
    private func isMissing(_ model: ModelRecord) -> Bool {
        guard model.isWanted, !model.hasReady else { return false }
        let hasFailed = model.versions.values.contains { $0.failure != nil }
        return model.isExpected || (model.found != nil && hasFailed)
    }

    /// Ends the start when everything that should serve has been tried.
    func finishStartIfDone() {
        guard phase == .starting, scans.lastNumber > 0, let waiter = startWaiter else { return }
        let isLate = MonotonicClock.nowNanoseconds() >= startDeadline
        let isWaiting = models.values.contains { model in
            model.isWanted
                && (model.isBusy || (!isLate && model.nextLook != nil && !model.hasReady))
        }
        guard !isWaiting else { return }
        phase = .serving
        startWaiter = nil
        publish()
        waiter.resume()
    }

    func logProblem(of name: String) {
        guard let model = models[name] else { return }
        let problem = model.isWanted && model.versions.isEmpty ? model.problem : nil
        guard problem != model.loggedProblem else { return }
        models[name]?.loggedProblem = problem
        if let problem {
            logger.error(
                "model cannot be loaded", metadata: ["model": "\(name)", "reason": "\(problem)"])
        }
    }
}
