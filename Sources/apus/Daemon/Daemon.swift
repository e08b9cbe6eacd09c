import ApusConfiguration
import ApusCore
import ApusEngine
import ApusMetrics
import ApusRepository
import ApusScheduler
import ApusServer
import CApusPlatform
import Dispatch
import Glibc
import Logging
import UnixSignals

/// The daemon: builds the parts, listens, loads, serves until a signal, drains.
///
/// Ports open before the first model loads, so that a client that comes early is told "not ready"
/// instead of being refused.
struct Daemon {
    private let log: DaemonLog
    private let logger: Logger
    private let notifier: ServiceNotifier
    private let server: HTTPServer
    private let metrics: Metrics
    private let repository: ModelRepository
    private let settings: Settings
    private let reload: ConfigurationReload
    private let memoryKeeper: MemoryKeeper

    /// Runs until the process is told to stop.
    ///
    /// - Returns: a `DaemonExitCode`.
    static func run(_ configuration: Configuration, sources: Configuration.Sources) async -> Int32 {
        let log = DaemonLog(configuration.settings.logging, environment: sources.environment)
        defer { log.flush() }
        let logger = log.makeLogger("apus")
        let daemon: Daemon
        do {
            daemon = try Daemon(configuration, sources: sources, log: log)
        } catch {
            logger.critical("\(error.message)")
            return DaemonExitCode.badConfiguration
        }
        return await daemon.run()
    }

    private init(
        _ configuration: Configuration, sources: Configuration.Sources, log: DaemonLog
    ) throws(AssemblyError) {
        self.log = log
        var settings = configuration.settings
        let files = try ModelServerFiles(&settings)
        self.settings = settings
        logger = log.makeLogger("apus")
        notifier = ServiceNotifier(environment: sources.environment)
        settings.engine.limitMemory()
        let assembly = try ModelAssembly(
            settings.engine, defaultMaxBatchSize: settings.scheduler.defaultMaxBatchSize,
            defaultBatching: files.batching,
            stateDirectory: settings.repository.stateDirectory(environment: sources.environment))
        try settings.repository.checkNames()
        try settings.repository.checkDirectories()
        let cores = settings.scheduler.makeCoreBudget()
        let metrics = Metrics(
            version: ApusVersion.text,
            torchServeHost: settings.server.dialects.contains(.torchserve) ? Self.hostName : nil)
        self.metrics = metrics
        metrics.setCoreBudget(cores.coreCount)
        metrics.setMemoryLimit(byteCount: CgroupLimits.detect().memoryByteCount)
        metrics.setMemoryBudget(byteCount: MemoryAccount.process.byteCountMax) {
            MemoryAccount.process.byteCount
        }
        repository = ModelRepository(
            settings: settings.repository.makeSettings(
                cores: cores, strictReadiness: settings.server.strictReadiness,
                namedModels: files.models, environment: sources.environment),
            loader: ONNXModelLoader(
                assembly: assembly, limits: settings.scheduler.makeLimits(), cores: cores,
                metrics: metrics, logger: log.makeLogger("scheduler")),
            metrics: metrics.repository, logger: log.makeLogger("repository"))
        server = HTTPServer(
            configuration: settings.makeHTTPConfiguration(
                activation: SocketActivation(environment: sources.environment), cores: cores),
            catalogue: repository, metrics: metrics, logger: log.makeLogger("server"),
            logControl: log)
        reload = ConfigurationReload(configuration, sources: sources)
        memoryKeeper = MemoryKeeper()
        startEngineThreads(count: cores.coreCount)
        logStart(configuration, environment: sources.environment, cores: cores, assembly.options)
    }

    private func logStart(
        _ configuration: Configuration, environment: [String: String], cores: CoreBudget,
        _ options: EngineOptions
    ) {
        logger.info(
            "starting",
            metadata: [
                "version": "\(ApusVersion.text)",
                "config": "\(configuration.filePath ?? "none")",
            ])
        for warning in configuration.warnings { logger.warning("\(warning)") }
        if let forced = environment["OPENBLAS_CORETYPE"], !forced.isEmpty {
            logger.warning(
                "OPENBLAS_CORETYPE forces the core that OpenBLAS computes for; unset it",
                metadata: ["core": "\(forced)"])
        }
        logger.info(
            "computing",
            metadata: [
                "cores": "\(cores.coreCount)", "isa": "\(options.kernels.name)",
                "gemm": "\(options.denseProvider.rawValue)",
                "openblas_core": "\(BLASLibrary.coreName)",
                "memory_budget": "\(MemoryAccount.process.byteCountMax)",
            ])
    }

    static var hostName: String {
        var name = utsname()
        guard uname(&name) == 0 else { return "localhost" }
        return withUnsafeBytes(of: &name.nodename) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    // MARK: Life

    private func run() async -> Int32 {
        // A log reader or a client that goes away is no reason to end.
        signal(SIGPIPE, SIG_IGN)
        // Trapped before anything can take long: a stop during the loading is a clean stop.
        let stopRequests = await followSignals()
        do {
            let listeners = try await server.start()
            for listener in listeners {
                let endpoint = listener.role == .inference ? "http" : listener.role.rawValue
                logger.info(
                    "listening",
                    metadata: ["endpoint": "\(endpoint)", "address": "\(listener.address)"])
            }
            warnOfNetwork(listeners)
        } catch {
            logger.critical("\(error.message)")
            return DaemonExitCode.cannotListen
        }
        acceptWithoutModels(after: .seconds(10))
        let watchdog = makeWatchdog()
        defer { withExtendedLifetime(watchdog) {} }
        return await withTaskGroup(of: Int32?.self) { group in
            group.addTask { await load() }
            group.addTask {
                for await _ in stopRequests { return DaemonExitCode.stopped }
                return nil
            }
            group.addTask { await reportStatus() }
            group.addTask { await returnFreeMemory() }
            for await code in group {
                guard let code else { continue }
                group.cancelAll()
                await stop()
                return code
            }
            return DaemonExitCode.failed
        }
    }

    /// Whoever waits on a socket that was passed to us waits for the models, but not for long: then it
    /// is told that they are not ready.
    private func acceptWithoutModels(after limit: Duration) {
        Task.detached { [server] in
            try? await Task.sleep(for: limit)
            server.acceptWaiting()
        }
    }

    /// Says that other machines can get in.
    private func warnOfNetwork(_ listeners: [BoundListener]) {
        let open = listeners.filter(\.isOnNetwork).map(\.address)
        guard !open.isEmpty else { return }
        let control =
            settings.server.allowRemoteControl
            ? "and change what it serves" : "but not change what it serves"
        logger.warning(
            "listening on the network: everybody who reaches it may use its models, \(control)",
            metadata: ["addresses": "\(open.joined(separator: ", "))"])
    }

    /// Loads what should serve.
    ///
    /// - Returns: an exit code if the daemon cannot go on.
    private func load() async -> Int32? {
        let began = MonotonicClock.nowNanoseconds()
        do {
            try await repository.start()
        } catch {
            if Task.isCancelled { return nil }
            logger.critical("\(error.message)")
            return DaemonExitCode.failed
        }
        guard !Task.isCancelled else { return nil }
        server.acceptWaiting()
        _ = apus_trim_malloc()
        let failed = await repository.index().filter { $0.state == .unavailable }
        let seconds = Double((MonotonicClock.nowNanoseconds() - began) / 1_000_000) / 1e3
        let models = Set(repository.allReady().map(\.identity.name)).count
        if settings.repository.exitOnError, let first = failed.first {
            logger.critical(
                "a model failed to load, and exit_on_error is on",
                metadata: ["model": "\(first.name)", "reason": "\(first.reason ?? "")"])
            return DaemonExitCode.failed
        }
        var metadata: Logger.Metadata = ["models": "\(models)", "seconds": "\(seconds)"]
        if !failed.isEmpty { metadata["failed"] = "\(failed.count)" }
        if repository.readiness.isReady {
            logger.info("ready", metadata: metadata)
        } else {
            metadata["missing"] = "\(repository.readiness.missing.joined(separator: "; "))"
            logger.error("started, but not ready", metadata: metadata)
        }
        notifier.ready(status: status)
        return nil
    }

    /// Reloads on SIGHUP; the first SIGTERM or SIGINT asks for the stop, a later one ends the process
    /// at once.
    private func followSignals() async -> AsyncStream<Void> {
        let (stream, stop) = AsyncStream.makeStream(of: Void.self)
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        Task.detached {
            var stopSignals = StopSignals()
            for await signal in signals {
                if signal == .sighup {
                    if !stopSignals.isStopping { reloadConfiguration() }
                    continue
                }
                switch stopSignals.receive(now: MonotonicClock.nowNanoseconds()) {
                case .stop:
                    logger.info("stopping", metadata: ["signal": "\(signal)"])
                    stop.yield()
                case .ignore: break
                case .endAtOnce:
                    logger.warning(
                        "second signal: ending at once", metadata: ["signal": "\(signal)"])
                    log.flush()
                    _exit(DaemonExitCode.failed)
                }
            }
        }
        return stream
    }

    /// Readiness off; after `shutdown_delay` no new connections, and each answer is the last of its
    /// connection; what is not finished after `exit_timeout` is cut off.
    private func stop() async {
        let (delay, limit) = (settings.server.shutdownDelay, settings.server.exitTimeout)
        notifier.stopping(status: "finishing the requests in flight")
        notifier.extendTimeout(delay + limit + Self.forcedStopPeriod + .seconds(5))
        forceStop(after: delay + limit + Self.forcedStopPeriod)
        server.announceShutdown()
        if delay > .zero {
            logger.info("not ready any more", metadata: ["delay": "\(delay)"])
            // The task was cancelled to get here, so sleeping in it would end at once.
            await Task.detached { try? await Task.sleep(for: delay) }.value
        }
        logger.info("draining", metadata: ["limit": "\(limit)"])
        let isDrained = await server.shutdown(gracePeriod: limit)
        // Nobody waits for an answer now.
        await repository.stop(timeout: .milliseconds(100))
        if isDrained {
            logger.info("stopped")
        } else {
            logger.warning("stopped; requests that took longer than exit_timeout were cut off")
        }
    }

    /// The least time for what was cut off to notice.
    private static let forcedStopPeriod = Duration.seconds(3)

    /// Ends the process at the end of its time, whatever still runs. A serial queue gets a thread even
    /// if all others are held up.
    private func forceStop(after limit: Duration) {
        let queue = DispatchQueue(label: "apus.stop")
        let delay = DispatchTimeInterval.milliseconds(Int(clamping: limit.wholeMilliseconds))
        queue.asyncAfter(deadline: .now() + delay) { @Sendable [log, logger] in
            logger.error("what still runs does not end by itself; the process ends without it")
            log.flush()
            _exit(DaemonExitCode.stopped)
        }
    }

    // MARK: Service manager

    private var status: String {
        let models = repository.allReady().map { "\($0.identity)" }
        guard !models.isEmpty else { return "no model serves" }
        let shown = models.prefix(20).joined(separator: ", ")
        return "serving \(shown)" + (models.count > 20 ? " and \(models.count - 20) more" : "")
    }

    private func makeWatchdog() -> Watchdog? {
        guard notifier.isActive else { return nil }
        let environment = ProcessEnvironment.current()
        return Watchdog.interval(environment: environment).map { interval in
            Watchdog(interval: interval, notifier: notifier) { [server] in
                server.probeEventLoops($0)
            }
        }
    }

    /// Tells the service manager which models serve, and asks it for time while they load.
    private func reportStatus() async -> Int32? {
        guard notifier.isActive else { return nil }
        var told = ""
        while !Task.isCancelled {
            if repository.readiness.isReady {
                let status = status
                if status != told { notifier.status(status) }
                told = status
            } else {
                notifier.extendTimeout(.seconds(30))
                notifier.status(repository.readiness.missing.first ?? "loading")
            }
            try? await Task.sleep(for: .seconds(2))
        }
        return nil
    }

    // MARK: Memory

    /// Time without requests behind which free memory goes back to the system.
    private static let quietPeriod = Duration.seconds(4)
    /// Less is kept: it is soon used again.
    private static let keptByteCount: UInt64 = 16 << 20

    /// Gives memory that was freed back to the system when nobody asks for anything.
    private func returnFreeMemory() async -> Int32? {
        var seen: UInt64 = 0
        var hasReturned = true
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.quietPeriod)
            let received =
                metrics.server.receivedBytes.current &+ metrics.grpc.receivedBytes.current
            if received != seen {
                seen = received
                hasReturned = false
            } else if !hasReturned {
                hasReturned = true
                if apus_malloc_free_bytes() > Self.keptByteCount { _ = apus_trim_malloc() }
            }
        }
        return nil
    }

    // MARK: Reload

    private func reloadConfiguration() {
        notifier.reloading()
        defer { notifier.ready(status: status) }
        do {
            let changes = try reload.run()
            log.setLevel(changes.settings.logging.logLevel)
            server.setAccessLogSample(changes.settings.logging.accessLogSample)
            logger.notice(
                "configuration reloaded",
                metadata: ["changed": "\(changes.applied.map(\.path).joined(separator: ", "))"])
            for key in changes.waiting {
                logger.warning("setting needs a restart", metadata: ["key": "\(key.path)"])
            }
        } catch {
            let reason = error.problems.map { "\($0)" }.joined(separator: "; ")
            logger.error("configuration not reloaded", metadata: ["reason": "\(reason)"])
        }
    }
}
