import ApusCore
import Logging

extension ModelRepository {
    func handle(_ event: RepositoryEvent) {
        switch event {
        case .watched(let report): take(report)
        case .scanned(let number, let scope, let snapshot): take(snapshot, scope, number)
        case .verified(let ticket, let mismatch): take(ticket, mismatch: mismatch)
        case .stage(let ticket, let stage): take(ticket, stage)
        case .loaded(let ticket, let outcome, let nanoseconds): take(ticket, outcome, nanoseconds)
        case .drained(let identity): takeDrained(identity)
        case .timeForLook: lookAtDue()
        case .timeForRescan: rescanEverything()
        case .drainAbandoned: resumeStopWaiters()
        }
    }

    // MARK: Looks at the disk

    /// Returns when a look that begins now or later has been taken in.
    func rescan(_ scope: ScanScope) async {
        guard phase != .stopping else { return }
        let number = scans.nextNumber
        scans.request(scope)
        beginScan()
        await withCheckedContinuation { scans.wait(for: number, $0) }
    }

    func beginScan() {
        guard phase == .starting || phase == .serving, let scanner, let scan = scans.begin() else {
            return
        }
        var request = RepositoryScanner.Request(scope: scan.scope, placed: placed)
        for (name, model) in models {
            if let staging = model.loadOverride?.staging { request.staged[name] = staging.path }
        }
        scanner.scan(request) { [events] snapshot in
            events.yield(.scanned(number: scan.number, scan.scope, snapshot))
        }
    }

    private func take(_ report: WatchReport) {
        guard phase != .stopping else { return }
        let now = MonotonicClock.nowNanoseconds()
        if report.isEverything { openFiles = [:] }
        for path in report.closed {
            openFiles = openFiles.filter { $0.key != path && !$0.key.hasPrefix(path + "/") }
        }
        for path in report.written { openFiles[path] = now }
        renamed.formUnion(report.renamed)
        if let problem = report.problem { warnOfPolling(problem) }
        if report.isEverything {
            rescanEverything()
        } else if !report.models.isEmpty {
            scans.request(.models(report.models))
            beginScan()
        }
    }

    private func rescanEverything() {
        guard phase != .stopping else { return }
        if let watcher { Task { await watcher.watchAll() } }
        scans.request(.everything)
        beginScan()
    }

    private func lookAtDue() {
        let now = MonotonicClock.nowNanoseconds()
        let due = models.filter { ($0.value.nextLook ?? .max) <= now }
        if !due.isEmpty {
            scans.request(.models(Set(due.keys)))
            beginScan()
        }
        scheduleLook()
        finishStartIfDone()
    }

    /// Sleeps until the next moment that something waits for.
    func scheduleLook() {
        lookTask?.cancel()
        var next = models.values.compactMap(\.nextLook).min()
        if phase == .starting { next = min(next ?? .max, startDeadline) }
        guard let next, phase != .stopping else { return }
        let now = MonotonicClock.nowNanoseconds()
        // A look that is due already is under way; one millisecond keeps this from spinning.
        let nanoseconds = next > now ? next - now : 1_000_000
        lookTask = Task { [events] in
            do {
                try await Task.sleep(for: .nanoseconds(Int64(clamping: nanoseconds)))
            } catch { return }
            events.yield(.timeForLook)
        }
    }

    private func take(_ snapshot: RepositorySnapshot, _ scope: ScanScope, _ number: UInt64) {
        let waiters = scans.end(number)
        guard phase != .stopping else { return }
        warn(of: snapshot)
        let context = ObservationContext(
            now: MonotonicClock.nowNanoseconds(),
            wallNow: Int64(clamping: MonotonicClock.wallMilliseconds()) &* 1_000_000,
            isFirstLook: !hasSeenEverything, renamed: renamed, openFiles: openFiles, policy: policy)
        renamed = []
        let names = Set(snapshot.models.keys).union(models.keys.filter(scope.includes))
        for name in names.sorted() where isConcerned(name, snapshot, number) {
            observe(name, snapshot.models[name], context)
        }
        if scope == .everything { hasSeenEverything = true }
        publish()
        warnIfEmpty()
        scheduleLook()
        beginScan()
        for waiter in waiters { waiter.resume() }
    }

    /// Whether a look says something about a model.
    private func isConcerned(
        _ name: String, _ snapshot: RepositorySnapshot, _ number: UInt64
    ) -> Bool {
        // What cannot be listed may be back in a moment: what serves from there goes on.
        if snapshot.models[name] == nil, !snapshot.unreadable.isEmpty { return false }
        guard let model = models[name] else { return true }
        guard number >= model.firstScan else { return false }
        let isFollowed = settings.controlMode.isFollowing || phase == .starting
        return isFollowed || model.operation != nil || model.found == nil || model.isReturning
            || (!model.isWanted && model.versions.values.allSatisfy { $0.serving == nil })
    }

    private func observe(_ name: String, _ found: FoundModel?, _ context: ObservationContext) {
        if models[name] == nil, let found {
            let isWanted: Bool =
                switch settings.controlMode {
                case .watch, .poll: true
                case .none: phase == .starting
                case .explicit: phase == .starting && settings.startupModels.contains("*")
                }
            models[name] = ModelRecord(
                name: found.name, isWanted: isWanted,
                expectation: context.isFirstLook && isWanted ? .present : .none)
        }
        guard var model = models[name] else { return }
        let wasOnDisk = model.found != nil
        let effects = model.observe(found, context) { nextNumber() }
        // Once it was there and is gone, nobody expects it any more, unless it was named.
        if found == nil, wasOnDisk, settings.controlMode.isFollowing,
            model.expectation == .present
        {
            model.expectation = .none
        }
        models[name] = model
        perform(effects, on: name)
        reconcile(name)
    }

    func perform(_ effects: ObservationEffects, on name: String) {
        for (version, reason) in effects.failures { noteFailure(name, version, reason) }
        for version in effects.verifications { verify(name, version) }
    }

    /// Says loudly that there is nothing to serve, once for as long as that lasts.
    func warnIfEmpty() {
        guard phase == .serving else { return }
        let isEmpty = models.values.allSatisfy { $0.found == nil }
        defer { wasEmpty = isEmpty }
        guard isEmpty, !wasEmpty else { return }
        logger.warning(
            "no model found: there is nothing to serve",
            metadata: [
                "directory": "\((roots + placed.values.map(\.path)).joined(separator: ", "))",
                "put_there": "<model>/<version>/model.onnx or <model>.onnx",
            ])
    }

    private func warn(of snapshot: RepositorySnapshot) {
        for (path, reason) in snapshot.unreadable where warned.insert(path).inserted {
            logger.warning(
                "repository cannot be read; what serves from it goes on",
                metadata: ["path": "\(path)", "reason": "\(reason)"])
        }
        for root in roots where snapshot.unreadable[root] == nil { warned.remove(root) }
        for (path, reason) in snapshot.ignored where warned.insert(path).inserted {
            logger.warning(
                "model ignored", metadata: ["path": "\(path)", "reason": "\(reason)"])
        }
    }
}
