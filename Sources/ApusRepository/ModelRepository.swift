public import ApusCore
public import ApusMetrics
public import Logging

/// The models on disk and the versions of them that serve: watches, loads, swaps, unloads.
///
/// The actor owns every state. What blocks happens elsewhere (looks at the disk on the scanner's
/// queue, loads on the pool's threads, draining on the drainer's queue) and comes back as an event.
/// Requests never wait for the actor: they read `table`.
public actor ModelRepository: ModelCatalogue {
    enum Phase { case idle, starting, serving, stopping }

    let settings: RepositorySettings
    let loader: any ModelLoader
    let metrics: RepositoryMetrics
    let logger: Logger
    let policy: SettlingPolicy
    let table = ServingTable()
    let pool: LoadingPool
    let drainer: Drainer
    /// Which loads are under way; nil if it is not written down.
    var journal: LoadJournal?
    let staging: StagingArea
    let events: AsyncStream<RepositoryEvent>.Continuation
    private let stream: AsyncStream<RepositoryEvent>

    var phase = Phase.idle
    var models: [String: ModelRecord] = [:]
    /// The table of each model, as published.
    var rows: [String: ServingTable.Model] = [:]
    /// What the metrics say of each model.
    var shownStates: [String: [String: Set<ModelState>]] = [:]
    /// The repositories; set at start. They may be links that are swapped.
    var roots: [String] = []
    /// Models in directories of their own. They go before those of the same name
    /// in a repository.
    var placed: [String: NamedModel] = [:]
    var scanner: RepositoryScanner?
    var watcher: DirectoryWatcher?
    /// Renames that the next look at the disk takes into account.
    var renamed: Set<String> = []
    /// Files that are open for writing, with the time of the last write that was seen.
    var openFiles: [String: UInt64] = [:]
    var scans = ScanSchedule()
    /// Whether a look at everything has been taken in.
    var hasSeenEverything = false
    /// Whether the last look found nothing to serve.
    var wasEmpty = false
    /// What was published last; nil until the start is over.
    var wasReady: Bool?
    var turns = ControlTurns()
    var lookTask: Task<Void, Never>?
    var rescanTask: Task<Void, Never>?
    /// Versions that still change are not waited for beyond this time.
    var startDeadline: UInt64 = 0
    var startWaiter: CheckedContinuation<Void, Never>?
    var stopWaiters: [CheckedContinuation<Void, Never>] = []
    var warned: Set<String> = []
    private var lastNumber: UInt64 = 0

    public init(
        settings: RepositorySettings, loader: any ModelLoader, metrics: RepositoryMetrics,
        logger: Logger
    ) {
        self.settings = settings
        self.loader = loader
        self.metrics = metrics
        self.logger = logger
        staging = StagingArea(in: settings.stagingDirectory)
        policy = SettlingPolicy(quietNanoseconds: settings.quietPeriod.nanoseconds)
        pool = LoadingPool(
            threadCountMax: max(settings.loadConcurrency, settings.startLoadConcurrency))
        drainer = Drainer(
            drainNanosecondsMax: settings.unloadTimeout.nanoseconds, logger: logger)
        (stream, events) = AsyncStream.makeStream()
    }

    // MARK: Reading

    nonisolated public func servable(
        name: String, version: String?
    ) throws(RepositoryError) -> any Servable {
        try table.servable(name: name, version: version)
    }

    nonisolated public func readyVersions(of name: String) -> [any Servable] {
        table.readyVersions(of: name)
    }

    nonisolated public func allReady() -> [any Servable] { table.allReady() }

    nonisolated public var readiness: RepositoryReadiness { table.readiness }

    // MARK: Life

    /// Reads the repositories and loads what should serve. Returns when every initial load was
    /// tried; `readiness` shows how far it is. Versions whose files keep changing are not waited
    /// for.
    ///
    /// - Throws: `invalidBundle` for a repository that is no directory; `stopping` after a stop.
    public func start() async throws(RepositoryError) {
        guard phase == .idle else {
            if phase == .stopping { throw .stopping }
            return
        }
        try resolveRoots()
        journal = makeJournal()
        staging.removeAbandoned()
        phase = .starting
        let now = MonotonicClock.nowNanoseconds()
        startDeadline = now &+ settings.quietPeriod.nanoseconds &+ 1_000_000_000
        scanner = RepositoryScanner(roots: roots, loader: loader)
        expectNamedModels()
        listen()
        if settings.controlMode == .watch { await watch() }
        guard phase == .starting else { throw .stopping }
        await rescan(.everything)
        if phase == .starting {
            await withCheckedContinuation { continuation in
                startWaiter = continuation
                finishStartIfDone()
            }
        }
        guard phase == .serving else { throw .stopping }
    }

    /// Looks at all repositories now; returns when what was found has been taken in. Loads that it
    /// leads to go on afterwards.
    public func rescan() async {
        guard phase == .starting || phase == .serving, settings.controlMode.isFollowing else {
            return
        }
        await rescan(.everything)
    }

    /// Stops watching and loading, and drains everything. Returns when the last request has been
    /// answered, or at once when the calling task is cancelled.
    ///
    /// - Parameter timeout: how long requests may take; then what still runs is given up.
    public func stop(timeout: Duration = .seconds(30)) async {
        if phase != .stopping { beginStop() }
        let giveUp = Task { [drainer] in
            try await Task.sleep(for: timeout)
            drainer.abandon()
        }
        defer { giveUp.cancel() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                guard hasDraining, !Task.isCancelled else { return continuation.resume() }
                stopWaiters.append(continuation)
            }
        } onCancel: {
            events.yield(.drainAbandoned)
        }
        if !hasDraining { events.finish() }
        staging.remove()
    }

    private func beginStop() {
        phase = .stopping
        watcher?.stop()
        watcher = nil
        lookTask?.cancel()
        rescanTask?.cancel()
        pool.cancelWaiting()
        journal?.endAll()
        for name in models.keys.sorted() {
            models[name]?.isWanted = false
            cancelCandidates(of: name)
            finishOperation(of: name, .failure(.stopping))
            reconcile(name)
        }
        publish()
        drainer.hurry()
        startWaiter?.resume()
        startWaiter = nil
        for waiter in scans.endAll() { waiter.resume() }
        for waiter in turns.endAll() { waiter.resume() }
    }

    var hasDraining: Bool {
        models.values.contains { $0.versions.values.contains { $0.drainingCount > 0 } }
    }

    private func resolveRoots() throws(RepositoryError) {
        for root in try Self.resolved(settings.paths) {
            // A directory that MLflow saved a model to is that model.
            if DiskReader.realPath("\(root)/\(BundleContent.mlflowFile)") != nil,
                let name = root.split(separator: "/").last.flatMap({ try? ModelName(String($0)) })
            {
                placed[name.text] = NamedModel(name: name, path: root)
            } else {
                roots.append(root)
            }
        }
        for var model in settings.namedModels {
            guard let root = try Self.resolved([model.path]).first else { continue }
            model.path = root
            placed[model.name.text] = model
        }
    }

    private static func resolved(_ paths: [String]) throws(RepositoryError) -> [String] {
        var roots: [String] = []
        var realPaths: Set<String> = []
        for path in paths {
            guard let root = DiskReader.absolutePath(path), let real = DiskReader.realPath(root)
            else {
                throw .invalidBundle(path: path, reason: "no such model repository")
            }
            do {
                _ = try DiskReader(root: root).names(in: root)
            } catch {
                throw .invalidBundle(
                    path: path, reason: error.reason ?? "the model repository is no directory")
            }
            if realPaths.insert(real).inserted { roots.append(root) }
        }
        return roots
    }

    private func makeJournal() -> LoadJournal? {
        guard let directory = settings.stateDirectory else { return nil }
        do throws(DiskReader.Problem) {
            return try LoadJournal(
                in: directory,
                outside: (roots + placed.values.map(\.path)).compactMap(DiskReader.realPath))
        } catch {
            logger.warning(
                "loads are not recorded: a model that ends the process is tried at every start",
                metadata: ["reason": "\(error.reason ?? directory)"])
            return nil
        }
    }

    /// What was named has to serve, and is missing also if there is no sign of it.
    private func expectNamedModels() {
        var names = placed.values.map(\.name)
        if settings.controlMode == .explicit {
            if !settings.startupModels.contains("*") { names = [] }
            names += settings.startupModels.compactMap { try? ModelName($0) }
        }
        for name in names {
            models[name.text] = ModelRecord(name: name, isWanted: true, expectation: .named)
        }
    }

    /// Takes events in, one after the other, until `stop`.
    private func listen() {
        let stream = stream
        Task { [weak self] in
            for await event in stream {
                guard let self else { return }
                await self.handle(event)
            }
        }
        guard settings.controlMode.isFollowing else { return }
        let interval = settings.rescanInterval
        rescanTask = Task { [events] in
            while !Task.isCancelled {
                do { try await Task.sleep(for: interval) } catch { return }
                events.yield(.timeForRescan)
            }
        }
    }

    private func watch() async {
        do {
            let watcher = try DirectoryWatcher(
                roots: roots, placed: placed.mapValues(\.path)
            ) { [events] in
                events.yield(.watched($0))
            }
            self.watcher = watcher
            await watcher.watchAll()
        } catch {
            warnOfPolling(error.reason ?? "inotify is not available")
        }
    }

    func warnOfPolling(_ reason: String) {
        logger.warning(
            "changes on disk are followed by rescans only",
            metadata: ["reason": "\(reason)", "interval": "\(settings.rescanInterval)"])
    }

    func nextNumber() -> UInt64 {
        lastNumber += 1
        return lastNumber
    }
}
