import ApusConfiguration
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

    func makeSettings(cores: CoreBudget, isReadinessStrict: Bool) -> RepositorySettings {
        var settings = RepositorySettings(paths: modelRepository)
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
        settings.allowsModelUpload = allowModelUpload
        settings.isReadinessStrict = isReadinessStrict
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
        configuration.requestTimeout = server.requestTimeout
        configuration.writeTimeout = server.writeTimeout
        configuration.idleTimeout = server.idleTimeout
        configuration.accessLogSample = logging.accessLogSample
        configuration.allowsSharedMemory = server.allowSharedMemory
        configuration.traceFile = logging.traceFile
        configuration.serverVersion = ApusVersion.text
        return configuration
    }

    /// Sockets that the service manager opened stand in for the configured ports.
    private func listeners(_ activation: SocketActivation) -> [HTTPServerConfiguration.Listener] {
        typealias Listener = HTTPServerConfiguration.Listener
        let http = activation.httpSockets(metricsPort: server.metricsPort)
        var result = http.map { Listener(.descriptor($0)) }
        if http.isEmpty {
            result.append(Listener(.tcp(host: server.httpAddress, port: server.httpPort)))
        }
        if !server.unixSocket.isEmpty {
            result.append(Listener(.unixSocket(path: server.unixSocket)))
        }
        guard server.allowMetrics else { return result }
        let metrics = activation.metricsSockets(port: server.metricsPort)
        result += metrics.map { Listener(.descriptor($0), role: .metrics) }
        if metrics.isEmpty {
            let host = server.metricsAddress.isEmpty ? server.httpAddress : server.metricsAddress
            result.append(Listener(.tcp(host: host, port: server.metricsPort), role: .metrics))
        }
        return result
    }
}
