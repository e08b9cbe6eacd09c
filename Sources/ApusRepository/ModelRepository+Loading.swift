import ApusCore
import ApusMetrics
import Logging

extension ModelRepository {
    /// Starts and retires versions of one model, as its policy wants it now.
    func reconcile(_ name: String) {
        guard let model = models[name] else { return }
        let choice = model.choice(
            now: MonotonicClock.nowNanoseconds(), quietNanoseconds: policy.quietNanoseconds)
        for version in choice.wanted.sorted(by: >) { startLoadIfSettled(name, version) }
        // While a load call is under way the former versions stay, whatever comes of it.
        if model.operation == nil {
            for version in choice.retired.sorted() { retire(name, version) }
        }
        endOperationIfDone(of: name)
        if models[name]?.isEmpty == true { models[name] = nil }
        logProblem(of: name)
        updateRow(name)
        finishStartIfDone()
    }

    private func startLoadIfSettled(_ name: String, _ version: ModelVersion) {
        guard phase != .stopping, let model = models[name], let found = model.found,
            var record = model.versions[version], record.isSettled, let files = record.found,
            let file = BundleContent.modelFile(
                files, name: model.configuration.defaultModelFilename,
                isSingleFile: found.isSingleFile),
            record.candidate?.apply(.loadStarted) == true, let candidate = record.candidate
        else { return }
        record.isUnloaded = false
        models[name]?.versions[version] = record
        let identity = ModelIdentity(name: model.name, version: version)
        let root = model.loadOverride?.staging?.path ?? found.root
        let parent = found.isSingleFile ? Self.parent(of: found.path) : nil
        let job = LoadJob(
            bundle: ModelBundle(
                identity: identity, modelDirectory: parent ?? found.path,
                versionDirectory: parent ?? files.path, configuration: model.configuration,
                modelFile: file),
            ticket: LoadTicket(identity: identity, number: candidate.number),
            content: candidate.content.version, path: files.path,
            isSingleFile: found.isSingleFile, reader: DiskReader(root: root),
            staging: model.loadOverride?.staging, cancellation: candidate.interest.cancellation,
            timeout: settings.loadTimeout, journal: journal, stamp: candidate.content.stamp)
        logger.debug("loading", metadata: Self.metadata(identity))
        pool.submit { [loader, events] in job.run(loader, events) }
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    // MARK: Events of a load

    /// Compares a version with its manifest on a loading thread.
    func verify(_ name: String, _ version: ModelVersion) {
        guard let model = models[name], let record = model.versions[version],
            let path = record.found?.path, let candidate = record.candidate
        else { return }
        let ticket = LoadTicket(
            identity: ModelIdentity(name: model.name, version: version), number: candidate.number)
        pool.submit { [events] in
            events.yield(.verified(ticket, mismatch: Manifest.firstMismatch(in: path)))
        }
    }

    func take(_ ticket: LoadTicket, mismatch: String?) {
        let (name, version) = (ticket.identity.name.text, ticket.identity.version)
        guard phase != .stopping, var model = models[name],
            model.versions[version]?.candidate?.number == ticket.number
        else { return }
        model.versions[version]?.observation.manifest =
            mismatch.map { .broken(reason: $0) } ?? .holds
        let context = ObservationContext(
            now: MonotonicClock.nowNanoseconds(), wallNow: 0, isFirstLook: false, renamed: [],
            openFiles: openFiles, policy: policy)
        let effects = model.settle(context) { nextNumber() }
        models[name] = model
        perform(effects, on: name)
        reconcile(name)
        publish()
        scheduleLook()
    }

    func take(_ ticket: LoadTicket, _ stage: LoadStage) {
        let (name, version) = (ticket.identity.name.text, ticket.identity.version)
        guard models[name]?.versions[version]?.candidate?.number == ticket.number else { return }
        models[name]?.versions[version]?.candidate?.apply(.stage(stage))
        updateRow(name)
        publish()
    }

    func take(_ ticket: LoadTicket, _ outcome: LoadOutcome, _ nanoseconds: UInt64) {
        let (name, version) = (ticket.identity.name.text, ticket.identity.version)
        guard phase != .stopping, var record = models[name]?.versions[version],
            record.candidate?.number == ticket.number
        else {
            // Nobody wants it any more.
            if case .success(let servable) = outcome { drainer.retire(servable) {} }
            return
        }
        switch outcome {
        case .success(let servable):
            record.candidate?.apply(.served)
            record.candidate?.servable = servable
            let former = record.serving
            record.serving = record.candidate
            record.candidate = nil
            record.failure = nil
            models[name]?.versions[version] = record
            if models[name]?.expectation == .named { models[name]?.expectation = .present }
            if let former { handOver(former, ticket.identity) }
            noteReady(servable, nanoseconds, isReload: former != nil)
        case .failure(let reason):
            record.candidate?.apply(.failed(reason: reason))
            if let content = record.candidate?.content {
                record.failure = VersionRecord.Failure(content: content, reason: reason)
            }
            record.candidate = nil
            models[name]?.versions[version] = record
            noteFailure(name, version, reason)
        case .outdated:
            record.candidate?.apply(.retired)
            record.candidate = nil
            record.content = nil
            models[name]?.versions[version] = record
            logger.debug("files changed while loading", metadata: Self.metadata(ticket.identity))
            models[name]?.operation?.isObserved = false
            scans.request(.models([name]))
            beginScan()
        }
        reconcile(name)
        publish()
    }

    private func noteReady(_ servable: any Servable, _ nanoseconds: UInt64, isReload: Bool) {
        let identity = servable.identity
        metrics.recordReady(
            model: identity.name.text, version: identity.version.description,
            loadNanoseconds: nanoseconds,
            memoryByteCount: { [weak servable] in servable?.memoryByteCount },
            tags: servable.configuration.metricTags)
        logger.info(
            isReload ? "version reloaded" : "version ready",
            metadata: Self.metadata(
                identity, ["seconds": "\(Double(nanoseconds / 1_000) / 1e6)"]))
    }

    /// Counts and logs a failure that is in the record already.
    func noteFailure(_ name: String, _ version: ModelVersion, _ reason: String) {
        guard let model = models[name] else { return }
        models[name]?.operation?.reasons.append("version \(version): \(reason)")
        metrics.recordFailure(model: name)
        let serving = model.versions.filter { $0.value.serving != nil }.keys.max()
        logger.error(
            "version failed",
            metadata: Self.metadata(
                ModelIdentity(name: model.name, version: version),
                ["reason": "\(reason)", "serving": "\(serving?.description ?? "none")"]))
    }

    // MARK: The way out

    /// Takes a version out of service.
    func retire(_ name: String, _ version: ModelVersion) {
        guard let model = models[name], let former = model.versions[version]?.serving else {
            return
        }
        models[name]?.versions[version]?.serving = nil
        models[name]?.versions[version]?.isUnloaded = true
        let identity = ModelIdentity(name: model.name, version: version)
        metrics.recordRemoved(model: name, version: version.description)
        handOver(former, identity)
        logger.info("version unloading", metadata: Self.metadata(identity))
    }

    /// Gives a generation that does not serve any more to the drainer.
    private func handOver(_ former: Generation, _ identity: ModelIdentity) {
        var former = former
        guard former.apply(.retired), let servable = former.servable else { return }
        former.servable = nil
        models[identity.name.text]?.versions[identity.version]?.drainingCount += 1
        drainer.retire(servable) { [events] in events.yield(.drained(identity)) }
    }

    func takeDrained(_ identity: ModelIdentity) {
        let (name, version) = (identity.name.text, identity.version)
        guard var record = models[name]?.versions[version] else { return }
        record.drainingCount -= 1
        models[name]?.versions[version] = record.isEmpty ? nil : record
        logger.debug("version unloaded", metadata: Self.metadata(identity))
        if phase == .stopping {
            if !hasDraining { resumeStopWaiters() }
        } else {
            reconcile(name)
            publish()
        }
    }

    func resumeStopWaiters() {
        for waiter in stopWaiters { waiter.resume() }
        stopWaiters = []
    }

    /// Gives up everything that is not loaded yet.
    func cancelCandidates(of name: String) {
        guard let model = models[name] else { return }
        for (version, record) in model.versions {
            var record = record
            let wasTried = record.isLoading || record.failure != nil
            if record.candidate?.apply(.retired) == true {
                // The look at the disk after the next load call starts it anew.
                record.candidate = nil
            }
            record.failure = nil
            record.isSettled = false
            record.content = nil
            if wasTried { record.isUnloaded = true }
            models[name]?.versions[version] = record
        }
    }

    static func metadata(
        _ identity: ModelIdentity, _ more: Logger.Metadata = [:]
    ) -> Logger.Metadata {
        more.merging(["model": "\(identity.name)", "version": "\(identity.version)"]) { $1 }
    }
}

/// What a loading thread needs to load a version.
struct LoadJob: Sendable {
    let bundle: ModelBundle
    let ticket: LoadTicket
    /// The files when the load began.
    let content: FileSignature
    let path: String
    let isSingleFile: Bool
    let reader: DiskReader
    /// Kept while it is read.
    let staging: StagingDirectory?
    /// Set when nobody wants the version any more.
    let cancellation: CancellationFlag
    let timeout: Duration
    let journal: LoadJournal?
    /// Of all files that the load depends on, for the journal.
    let stamp: String

    func run(_ loader: any ModelLoader, _ events: AsyncStream<RepositoryEvent>.Continuation) {
        let began = MonotonicClock.nowNanoseconds()
        let control = RunControl(
            endNanoseconds: began.addingClamped(timeout.nanoseconds), end: cancellation)
        var outcome = recordedLoad(loader, control, events)
        let now = BundleContent.tree(path, isSingleFile: isSingleFile, reader: reader)
        if now?.signature != content { outcome = .outdated }
        let nanoseconds = MonotonicClock.nowNanoseconds() &- began
        events.yield(.loaded(ticket, outcome, nanoseconds: nanoseconds))
    }

    /// Loads, with an entry in the journal for as long as it takes.
    private func recordedLoad(
        _ loader: any ModelLoader, _ control: RunControl,
        _ events: AsyncStream<RepositoryEvent>.Continuation
    ) -> LoadOutcome {
        guard let journal else { return load(loader, control, events) }
        let subject = LoadJournal.Subject(identity: bundle.identity, path: path, content: stamp)
        switch journal.begin(subject, isStopped: { control.isStopped }) {
        case .refused(let reason): return .failure(reason: reason)
        case .load(record: nil): return load(loader, control, events)
        case .load(record: let record?):
            defer { journal.end(record) }
            return load(loader, control, events)
        }
    }

    private func load(
        _ loader: any ModelLoader, _ control: RunControl,
        _ events: AsyncStream<RepositoryEvent>.Continuation
    ) -> LoadOutcome {
        do {
            return .success(
                try loader.load(bundle, cancellation: control) {
                    events.yield(.stage(ticket, $0))
                })
        } catch RepositoryError.filesChanged {
            return .outdated
        } catch {
            return .failure(reason: reason(of: error, control))
        }
    }

    private func reason(of error: any Error, _ control: RunControl) -> String {
        guard let error = error as? any ServingError else { return "\(error)" }
        guard error.kind == .cancelled, let reason = control.stopReason else {
            return error.message
        }
        return reason == .timeOver
            ? "it took longer than load_timeout, \(timeout)" : "its load was cancelled"
    }
}
