import ApusConfiguration
import ApusCore
import ApusScheduler
import ApusServer
import Testing

@testable import apus

/// What the parts of the daemon are made from, and what a reload changes.
@Suite struct DaemonPartsTests {
    private func listeners(
        _ settings: Settings, passed: [SocketActivation.PassedSocket] = []
    ) -> [String] {
        settings.makeHTTPConfiguration(
            activation: SocketActivation(sockets: passed), cores: .init(coreCount: 4)
        ).listeners.map { "\($0.role.rawValue) \($0)" }
    }

    @Test func defaultsListenOnLoopbackOnly() {
        #expect(
            listeners(Settings()) == [
                "inference 127.0.0.1:8000", "grpc 127.0.0.1:8001", "metrics 127.0.0.1:8002",
            ])
    }

    @Test func aStopSignalWithinASecondIsTheSameOne() {
        var signals = StopSignals()
        #expect(!signals.isStopping)
        #expect(signals.receive(now: 5_000_000_000) == .stop)
        #expect(signals.isStopping)
        #expect(signals.receive(now: 5_000_000_001) == .ignore)
        #expect(signals.receive(now: 6_000_000_000) == .ignore)
        #expect(signals.receive(now: 6_000_000_001) == .endAtOnce)
    }

    @Test func everyListenerCanBeChosen() {
        var settings = Settings()
        settings.server.unixSocket = "/run/apus.sock"
        settings.server.metricsAddress = "::1"
        settings.server.grpcAddress = "::2"
        settings.server.httpPort = 80
        #expect(
            listeners(settings) == [
                "inference 127.0.0.1:80", "inference /run/apus.sock", "grpc ::2:8001",
                "metrics ::1:8002",
            ])
        settings.server.allowMetrics = false
        settings.server.allowGRPC = false
        #expect(listeners(settings) == ["inference 127.0.0.1:80", "inference /run/apus.sock"])
    }

    @Test func socketsOfTheServiceManagerStandInForPorts() {
        let http = SocketActivation.PassedSocket(descriptor: 3, name: "", port: 8000)
        let metrics = SocketActivation.PassedSocket(descriptor: 4, name: "", port: 8002)
        #expect(
            listeners(Settings(), passed: [http, metrics])
                == ["inference descriptor 3", "grpc 127.0.0.1:8001", "metrics descriptor 4"])
        let grpc = SocketActivation.PassedSocket(descriptor: 5, name: "", port: 8001)
        #expect(
            listeners(Settings(), passed: [http, grpc])
                == ["inference descriptor 3", "grpc descriptor 5", "metrics 127.0.0.1:8002"])
    }

    @Test func gRPCTakesItsLimitsFromTheSettings() {
        var server = Settings().server
        server.grpcMaxMessageSize = 2 << 30
        server.grpcMaxStreams = 7
        server.grpcPingInterval = .seconds(10)
        server.grpcPingTimeout = .seconds(2)
        server.grpcMaxAge = .seconds(60)
        server.grpcCompressionLevel = 6
        let grpc = server.makeGRPC()
        #expect(grpc.messageByteCountMax == 2 << 30)
        #expect(grpc.streamCountMax == 7)
        #expect(grpc.keepaliveTime == .seconds(10))
        #expect(grpc.keepaliveTimeout == .seconds(2))
        #expect(grpc.connectionAgeMax == .seconds(60))
        #expect(grpc.compressionLevel == 6)
    }

    @Test func repositoriesMustBeDirectories() {
        var section = Settings().repository
        section.modelRepository = ["/no/such/place"]
        #expect(throws: AssemblyError.self) { try section.checkDirectories() }
        section.modelRepository = ["/proc/self/status"]
        #expect(throws: AssemblyError.self) { try section.checkDirectories() }
        section.modelRepository = ["/proc"]
        #expect(throws: Never.self) { try section.checkDirectories() }
    }

    @Test func aReloadTellsWhatTakesEffectAndWhatWaits() throws {
        let file = Guarded("logging:\n  log_level: info\n")
        let sources = Configuration.Sources(
            arguments: ["--config", "apus.yaml"], environment: [:], defaultFiles: [],
            readFile: { _ in file.withLock { $0 } })
        let reload = ConfigurationReload(try .load(sources), sources: sources)
        file.withLock { $0 = "logging:\n  log_level: debug\nserver:\n  http_port: 9\n" }
        let changes = try reload.run()
        #expect(changes.applied.map(\.path) == ["logging.log_level"])
        #expect(changes.waiting.map(\.path) == ["server.http_port"])
        #expect(changes.settings.logging.logLevel == .debug)

        file.withLock { $0 = "logging:\n  log_level: loud\n" }
        #expect(throws: ConfigurationError.self) { try reload.run() }
        file.withLock { $0 = "logging:\n  log_level: debug\nserver:\n  http_port: 9\n" }
        #expect(try reload.run().applied.isEmpty, "the mistake has changed nothing")
    }
}
