import ApusCore
import ApusMetrics
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
            showStates(of: name, [:])
            return
        }
        showStates(of: name, model.metricStates)
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

    /// Most updates change nothing here.
    private func showStates(of name: String, _ states: [String: Set<ModelState>]) {
        guard shownStates[name, default: [:]] != states else { return }
        shownStates[name] = states.isEmpty ? nil : states
        metrics.recordStates(model: name, states)
    }

    func publish() {
        let readiness = currentReadiness()
        table.replace(models: rows, readiness: readiness)
        guard phase == .serving else { return }
        defer { wasReady = readiness.isReady }
        // How the start ended is for whoever waits for it to say.
        guard let wasReady, wasReady != readiness.isReady else { return }
        if readiness.isReady {
            logger.notice("the repository is ready")
        } else {
            logger.warning(
                "the repository is not ready",
                metadata: ["reason": "\(readiness.missing.joined(separator: "; "))"])
        }
    }

    private func currentReadiness() -> RepositoryReadiness {
        guard phase != .stopping else {
            return RepositoryReadiness(isReady: false, missing: ["the server is stopping"])
        }
        return settings.readinessRule.readiness(
            isStarting: phase != .serving,
            models.values.map(\.readinessStanding).sorted { $0.name < $1.name })
    }

    /// Ends the start when everything that was expected of it has been tried.
    func finishStartIfDone() {
        guard phase == .starting, scans.lastNumber > 0, let waiter = startWaiter else { return }
        let isLate = MonotonicClock.nowNanoseconds() >= startDeadline
        let isWaiting = models.values.contains { model in
            model.isWanted && model.expectation != .none
                && (model.isBusy || (!isLate && model.nextLook != nil && !model.hasReady))
        }
        guard !isWaiting else { return }
        phase = .serving
        pool.limit(toThreadCount: settings.loadConcurrency)
        startWaiter = nil
        publish()
        warnIfEmpty()
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
