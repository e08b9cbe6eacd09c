import ApusConfiguration
import ApusCore
import ApusRepository
import ApusScheduler
import ApusServer
import Glibc

// What each part of the daemon takes from the settings.

extension SchedulerSection {
    func makeCoreBudget() -> CoreBudget { cores > 0 ? CoreBudget(coreCount: cores) : .detect() }

    func makeLimits() -> SchedulerLimits {
        SchedulerLimits(queueSizeMax: maxQueueSize, queueByteCountMax: maxQueueBytes)
    }
}

extension RepositorySection {
    /// - Throws: `AssemblyError.configuration` for a name that no model can have.
    func checkNames() throws(AssemblyError) {
        for name in loadModel where name != "*" {
            do {
                _ = try ModelName(name)
            } catch {
                throw .configuration(reason: "repository.load_model: \(error.message)")
            }
        }
    }

    /// - Throws: `AssemblyError.configuration` if a repository is no directory that can be read.
    func checkDirectories() throws(AssemblyError) {
        for path in modelRepository {
            var status = stat()
            guard stat(path, &status) == 0 else {
                throw .configuration(
                    reason: "model repository \"\(path)\": \(String(cString: strerror(errno))); "
                        + "name a directory with models: apus serve <directory>")
            }
            guard status.st_mode & S_IFMT == S_IFDIR else {
                throw .configuration(
                    reason: "model repository \"\(path)\" is no directory; name the directory "
                        + "that holds the models")
            }
            guard access(path, R_OK | X_OK) == 0 else {
                throw .configuration(
                    reason: "model repository \"\(path)\" cannot be read by this user")
            }
        }
    }

    func makeSettings(
        cores: CoreBudget, strictReadiness: StrictReadiness, namedModels: [NamedModel] = [],
        environment: [String: String]
    ) -> RepositorySettings {
        var settings = RepositorySettings(paths: modelRepository)
        settings.namedModels = namedModels
        settings.controlMode =
            switch modelControlMode {
            case .watch: .watch
            case .poll: .poll
            case .explicit: .explicit
            case .none: .none
            }
        settings.startupModels = loadModel
        settings.quietPeriod = quietPeriod
        settings.rescanInterval = rescanInterval
        settings.loadConcurrency =
            loadConcurrency > 0 ? loadConcurrency : max(cores.coreCount / 2, 1)
        settings.startLoadConcurrency = loadConcurrency > 0 ? loadConcurrency : cores.coreCount
        settings.loadTimeout = loadTimeout
        settings.unloadTimeout = unloadTimeout
        settings.allowsModelUpload = allowModelUpload
        if let directory = ProcessEnvironment.current()["TMPDIR"], directory.hasPrefix("/") {
            settings.stagingDirectory = directory
        }
        settings.readinessRule =
            switch strictReadiness {
            case .start: .start
            case .models: .models
            case .none: .none
            }
        settings.stateDirectory = stateDirectory(environment: environment)
        return settings
    }
}

extension Settings {
    func makeHTTPConfiguration(
        activation: SocketActivation, cores: CoreBudget
    ) -> HTTPServerConfiguration {
        var configuration = HTTPServerConfiguration(listeners: listeners(activation))
        configuration.eventLoopCount =
            server.eventLoops > 0 ? server.eventLoops : min(max(cores.coreCount / 4, 1), 8)
        configuration.connectionCountMax = server.maxConnections
        configuration.bodyByteCountMax = server.maxBodySize
        let bodyMemory = server.bodyMemory(memoryByteCount: Self.memoryByteCount)
        configuration.bodyMemoryByteCountMax = bodyMemory.total
        configuration.clientBodyMemoryByteCountMax = bodyMemory.client
        configuration.sharesBodyMemoryByAddress = server.bodyMemoryClient == .address
        configuration.requestTimeout = server.requestTimeout
        configuration.writeTimeout = server.writeTimeout
        configuration.idleTimeout = server.idleTimeout
        configuration.drainGrace = min(server.shutdownGrace, server.exitTimeout)
        configuration.accessLogSample = logging.accessLogSample
        configuration.allowsSharedMemory = server.allowSharedMemory
        configuration.allowsRemoteControl = server.allowRemoteControl
        configuration.allowedHosts = server.allowedHosts + [Daemon.hostName]
        configuration.corsAllowedOrigins = server.corsAllowedOrigins
        configuration.trace = logging.makeTrace()
        configuration.grpc = server.makeGRPC()
        configuration.serverVersion = ApusVersion.text
        configuration.dialects = server.makeDialects(cores: cores)
        return configuration
    }

    /// What the control group allows, or the machine has.
    private static var memoryByteCount: Int {
        let machine = max(sysconf(Int32(_SC_PHYS_PAGES)), 1) * max(sysconf(Int32(_SC_PAGESIZE)), 1)
        let limit = CgroupLimits.detect().memoryByteCount.map { Int(clamping: $0) }
        return min(limit ?? machine, machine)
    }

    /// Sockets that the service manager opened stand in for the configured ports.
    private func listeners(_ activation: SocketActivation) -> [HTTPServerConfiguration.Listener] {
        typealias Listener = HTTPServerConfiguration.Listener
        let http = activation.sockets(.http, server)
        var result = http.map { passedListener($0, role: .inference) }
        if http.isEmpty {
            result.append(Listener(.tcp(host: server.httpAddress, port: server.httpPort)))
        }
        if !server.unixSocket.isEmpty {
            result.append(Listener(.unixSocket(path: server.unixSocket)))
        }
        if server.allowGRPC {
            result += listeners(
                .grpc, passed: activation.sockets(.grpc, server), address: server.grpcAddress,
                port: server.grpcPort)
        }
        if server.allowMetrics {
            result += listeners(
                .metrics, passed: activation.sockets(.metrics, server),
                address: server.metricsAddress, port: server.metricsPort)
        }
        return result
    }

    private func listeners(
        _ role: HTTPServerConfiguration.Listener.Role, passed: [Int32], address: String, port: Int
    ) -> [HTTPServerConfiguration.Listener] {
        guard passed.isEmpty else { return passed.map { passedListener($0, role: role) } }
        let host = address.isEmpty ? server.httpAddress : address
        return [.init(.tcp(host: host, port: port), role: role)]
    }

    /// Clients of a former process wait there for the models; health and metrics do not.
    private func passedListener(
        _ descriptor: Int32, role: HTTPServerConfiguration.Listener.Role
    ) -> HTTPServerConfiguration.Listener {
        var listener = HTTPServerConfiguration.Listener(.descriptor(descriptor), role: role)
        listener.waitsForModels = role != .metrics
        return listener
    }
}

extension SocketActivation {
    /// The passed sockets of an endpoint.
    func sockets(_ endpoint: Endpoint, _ server: ServerSection) -> [Int32] {
        sockets(of: endpoint, grpcPort: server.grpcPort, metricsPort: server.metricsPort)
    }
}

extension ServerSection {
    func makeDialects(cores: CoreBudget) -> DialectSettings {
        var settings = DialectSettings()
        settings.dialects = dialects.compactMap { name in
            switch name {
            case .kserve: .kserve
            case .tensorflow: .tensorflow
            case .mlflow: .mlflow
            case .sagemaker: .sagemaker
            case .vertex: .vertex
            case .azureml: .azureml
            case .torchserve: .torchserve
            case .none: nil
            }
        }
        settings.defaultModel = defaultModel
        settings.defaultAccept = defaultAccept
        settings.vertexHealthRoute = vertexHealthRoute
        settings.vertexPredictRoute = vertexPredictRoute
        settings.concurrentRequestCount = cores.coreCount
        settings.bodyByteCountMax = maxBodySize
        return settings
    }

    func makeGRPC() -> GRPCConfiguration {
        var grpc = GRPCConfiguration()
        grpc.messageByteCountMax = grpcMaxMessageSize
        grpc.streamCountMax = grpcMaxStreams
        grpc.keepaliveTime = grpcPingInterval
        grpc.keepaliveTimeout = grpcPingTimeout
        grpc.connectionAgeMax = grpcMaxAge
        grpc.compressionLevel = grpcCompressionLevel
        return grpc
    }
}

extension LoggingSection {
    func makeTrace() -> TraceConfiguration {
        var trace = TraceConfiguration(file: traceFile)
        trace.isOn = traceLevel == .timestamps
        trace.rate = UInt64(clamping: traceRate)
        trace.count = Int64(traceCount)
        trace.logFrequency = UInt64(clamping: traceLogFrequency)
        return trace
    }
}
