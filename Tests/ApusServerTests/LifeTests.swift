import ApusCore
import ApusRepository
import ApusServer
import Glibc
import NIOCore
import Testing

/// Start, cancellation, and the way out.
@Suite struct LifeTests {
    @Test func requestInFlightIsFinishedAndItsConnectionClosed() async throws {
        try await withServer { test in
            let model = try test.catalogue.model("held")
            let busy = try test.connect()
            let idle = try test.connect()
            #expect(try idle.exchange(request("GET", "/livez")).status == 200)
            try busy.send(infer("held"))
            #expect(eventually { model.requests.count == 1 })

            let shutdown = test.beginShutdown()
            #expect(try idle.readToEnd().isEmpty)
            #expect(throws: RawClient.Failure.self) {
                _ = try test.exchange(request("GET", "/livez"))
            }
            model.release()
            let answer = try busy.readResponse()
            #expect(answer.status == 200)
            #expect(answer["connection"] == "close")
            #expect(try busy.readToEnd().isEmpty)
            #expect(shutdown.wait())
        }
    }

    @Test func readinessGoesFirst() async throws {
        try await withServer { test in
            let client = try test.connect()
            #expect(try client.exchange(request("GET", "/readyz")).status == 200)
            test.server.announceShutdown()
            let ready = try client.exchange(request("GET", "/readyz"))
            #expect(ready.status == 503)
            #expect(ready.text.contains("the server is stopping"))
            #expect(try client.exchange(request("GET", "/livez")).status == 200)
            #expect(try client.exchange(infer("double")).status == 200)
        }
    }

    @Test func everyWayToAskWhetherTheServerIsReadySaysTheSame() async throws {
        @Sendable func expect(_ isReady: Bool, of test: TestServer) throws {
            let routes = ["/readyz", "/v2/health/ready", "/ping", "/health", "/vertex-health"]
            var told = Set(try routes.map { try test.exchange(request("GET", $0)).status == 200 })
            told.insert(test.metric("apus_ready") == "1")
            let client = try GRPCClient(port: test.grpcPort)
            // SERVING, and true, are the 1 in field 1.
            let yes: [UInt8] = [0x08, 0x01]
            for method in [
                "grpc.health.v1.Health/Check", "inference.GRPCInferenceService/ServerReady",
            ] {
                told.insert(try client.call("/" + method, []).messages?.first?.bytes == yes)
            }
            #expect(told == [isReady])
        }
        var dialects = DialectSettings.all
        dialects.vertexHealthRoute = "/vertex-health"
        let settings = dialects
        try await withServer(configure: { $0.dialects = settings }) { test in
            try expect(true, of: test)
            test.catalogue.setReadiness(.init(isReady: false, missing: ["a model"]))
            try expect(false, of: test)
            test.catalogue.setReadiness(.init(isReady: true, missing: []))
            test.server.announceShutdown()
            try expect(false, of: test)
        }
    }

    @Test func answerThatIsBeingTakenIsFinished() async throws {
        let byteCount = 16 << 20
        try await withServer(FakeCatalogue([try bigModel(elementCount: byteCount)])) { test in
            let client = try test.connect(receiveBufferByteCount: 4096)
            try client.send(infer("big"))
            #expect(eventually { test.metric(#"apus_http_requests_total{code="200"}"#) == "1" })
            let shutdown = test.beginShutdown()
            let answer = try client.readResponse()
            #expect(answer.body.count > 2 * byteCount - 1)
            #expect(try client.readToEnd().isEmpty)
            #expect(shutdown.wait())
        }
    }

    @Test func duringTheGraceIdleConnectionsGetOneMoreAnswer() throws {
        let connection = try EmbeddedConnection { $0.drainGrace = .seconds(2) }
        try connection.receive(request("GET", "/livez"))
        #expect(try connection.sent().hasPrefix("HTTP/1.1 200 "))
        connection.beginDraining()
        #expect(connection.isOpen)
        try connection.receive(request("GET", "/livez"))
        let answer = try connection.sent()
        #expect(answer.hasPrefix("HTTP/1.1 200 ") && answer.contains("Connection: close\r\n"))
        #expect(!connection.isOpen)
    }

    @Test func afterTheGraceIdleConnectionsAreClosed() async throws {
        try await withServer(configure: { $0.drainGrace = .milliseconds(100) }) { test in
            let idle = try test.connect()
            #expect(try idle.exchange(request("GET", "/livez")).status == 200)
            let silent = try RawClient(port: test.grpcPort, receiveBufferByteCount: nil)
            let shutdown = test.beginShutdown()
            #expect(try idle.readToEnd().isEmpty)
            #expect(shutdown.wait())
            withExtendedLifetime(silent) {}
        }
    }

    @Test func requestThatIsArrivingIsStillAnswered() throws {
        let connection = try EmbeddedConnection()
        let whole = Array(infer("double").utf8)
        try connection.receive(Array(whole[..<20]))
        connection.beginDraining()
        #expect(connection.isOpen)
        try connection.receive(Array(whole[20...]))
        let answer = try connection.sent()
        #expect(answer.hasPrefix("HTTP/1.1 200 ") && answer.contains("Connection: close\r\n"))
        #expect(!connection.isOpen)
    }

    @Test(arguments: [20, 200])
    func requestOfWhichNothingMoreComesDoesNotHoldTheStop(sentByteCount: Int) throws {
        let connection = try EmbeddedConnection { $0.drainGrace = .seconds(2) }
        let whole = Array(
            infer("double", headers: ["X: \(String(repeating: "x", count: 80))"]).utf8)
        try connection.receive(Array(whole[..<sentByteCount]))
        connection.advance(seconds: 20)
        connection.beginDraining()
        // Whoever goes on sending is waited for.
        for place in sentByteCount..<(sentByteCount + 8) {
            connection.advance(seconds: 1)
            try connection.receive([whole[place]])
        }
        #expect(try connection.sent() == "")
        connection.advance(seconds: 4)
        let answer = try connection.sent()
        #expect(answer.hasPrefix("HTTP/1.1 408 ") && answer.contains("Connection: close\r\n"))
        connection.advance(seconds: 4)
        #expect(!connection.isOpen)
    }

    @Test func answerThatIsNotTakenDoesNotHoldTheStop() async throws {
        let catalogue = FakeCatalogue([try bigModel(elementCount: 16 << 20)])
        try await withServer(catalogue, configure: { $0.drainGrace = .milliseconds(100) }) { test in
            let client = try test.connect(receiveBufferByteCount: 4096)
            try client.send(infer("big"))
            #expect(eventually { test.metric(#"apus_http_requests_total{code="200"}"#) == "1" })
            #expect(test.beginShutdown(gracePeriod: .seconds(100)).wait())
            withExtendedLifetime(client) {}
        }
    }

    @Test func pipelinedRequestsBehindTheDrainAreNotStarted() throws {
        let connection = try EmbeddedConnection { $0.pipelinedRequestCountMax = 1 }
        let model = try connection.catalogue.model("held")
        try connection.receive(infer("held") + infer("held"))
        connection.beginDraining()
        try connection.receive(infer("held"))
        model.release()
        #expect(try connection.sent().contains("Connection: close\r\n"))
        #expect(model.requests.count == 1)
    }

    @Test func requestsThatTakeTooLongAreCutOff() async throws {
        try await withServer { test in
            let model = try test.catalogue.model("held")
            let client = try test.connect()
            try client.send(infer("held"))
            #expect(eventually { model.requests.count == 1 })
            #expect(!test.beginShutdown(gracePeriod: .milliseconds(50)).wait())
            #expect(model.requests[0].cancellation.isCancelled)
            #expect(try client.readToEnd().isEmpty)
            // An answer that comes too late is nobody's business.
            model.release()
        }
    }

    @Test(arguments: [false, true])
    func requestOfAClientThatWentIsCancelled(withReset: Bool) async throws {
        try await withServer { test in
            let model = try test.catalogue.model("held")
            let client = try test.connect()
            try client.send(infer("held") + infer("held"))
            #expect(eventually { model.requests.count == 2 })
            #expect(!model.requests[0].cancellation.isCancelled)
            client.disconnect(withReset: withReset)
            #expect(eventually { model.requests.allSatisfy(\.cancellation.isCancelled) })
            #expect(eventually { test.metric(#"apus_http_requests_total{code="499"}"#) == "2" })
            model.release()
            model.release()
            #expect(try test.exchange(request("GET", "/livez")).status == 200)
        }
    }

    @Test func portThatIsTakenIsNamed() async throws {
        try await withServer { test in
            let second = HTTPServer(
                configuration: HTTPServerConfiguration(listeners: [
                    .init(.tcp(host: "127.0.0.1", port: test.port))
                ]),
                catalogue: test.catalogue, metrics: test.metrics, logger: test.log.logger)
            let failure = PendingFailure()
            Task {
                do throws(ServerError) {
                    _ = try await second.start()
                } catch {
                    failure.set(error)
                }
                failure.done()
            }
            #expect(failure.wait()?.message.contains("127.0.0.1:\(test.port)") == true)
        }
    }

    @Test func clientsOfAPassedSocketWaitForTheModels() async throws {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        // Family, port and address of 127.0.0.1 as they lie in memory.
        var address: [UInt8] = [UInt8(AF_INET), 0, 0, 0, 127, 0, 0, 1]
        address += Array(repeating: 0, count: 8)
        var length = socklen_t(address.count)
        let isListening = address.withUnsafeMutableBytes { bytes -> Bool in
            guard let pointer = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else {
                return false
            }
            return bind(socket, pointer, length) == 0 && listen(socket, 16) == 0
                && getsockname(socket, pointer, &length) == 0
        }
        try #require(isListening)
        let port = Int(address[2]) << 8 | Int(address[3])
        try #require(port > 0)
        try await withServer(configure: {
            var listener = HTTPServerConfiguration.Listener(.descriptor(socket))
            listener.waitsForModels = true
            $0.listeners.append(listener)
        }) { test in
            let client = try RawClient(port: port, receiveBufferByteCount: nil)
            try client.send(infer("double"))
            usleep(50_000)
            #expect(test.metric("apus_http_connections") != "1")
            test.server.acceptWaiting()
            #expect(try client.readResponse().status == 200)
        }
    }

    @Test func unixSocketIsThereWhileTheServerIs() async throws {
        let path = "/tmp/apus-server-test-\(getpid()).sock"
        try await withServer(configure: {
            $0.listeners.insert(.init(.unixSocket(path: path)), at: 1)
        }) { test in
            #expect(access(path, F_OK) == 0)
            #expect(test.beginShutdown().wait())
            #expect(access(path, F_OK) != 0)
        }
    }

    @Test func loopsAreProbedOneByOne() async throws {
        try await withServer(configure: { $0.eventLoopCount = 2 }) { test in
            let failure = PendingFailure()
            test.server.probeEventLoops { failure.done() }
            #expect(failure.wait() == nil)
        }
    }
}
