import ApusServer
import Glibc
import Testing

/// How connections of gRPC end that the server no longer wants.
@Suite struct GRPCLifetimeTests {
    private static let infer = "/inference.GRPCInferenceService/ModelInfer"

    @Test func anAgedConnectionEndsWhenItsCallsHaveBeenAnswered() async throws {
        try await withServer(configure: { $0.grpc.connectionAgeMax = .seconds(4) }) { test in
            let client = try GRPCClient(port: test.grpcPort)
            let stream = try client.open(Self.infer)
            stream.send(try GRPCTests.message("held"), isLast: true)
            let held = try test.catalogue.model("held")
            try #require(eventually { held.heldCount == 1 })
            usleep(5_000_000)
            #expect(client.isOpen, "a call is under way")
            held.release()
            #expect(try stream.response().status == 0)
            #expect(eventually { !client.isOpen })
        }
    }

    @Test func beforeTheServerClosesAConnectionItTellsTheClient() async throws {
        try await withServer { test in
            let client = try RawClient(port: test.grpcPort)
            try client.send(Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8))
            try client.send([0, 0, 0, 4, 0, 0, 0, 0, 0])
            let shutdown = test.beginShutdown()
            // A GOAWAY that refuses nothing yet, and a ping; then its answer.
            let goAway: [UInt8] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]
            let ping: [UInt8] = [0, 0, 8, 6, 0, 0, 0, 0, 0] + Array("apus bye".utf8)
            let received = try client.readToEnd()
            let place = received.indices.first { received[$0...].starts(with: goAway) }
            let first = try #require(place)
            #expect(received[(first + goAway.count)...].starts(with: ping))
            #expect(shutdown.wait())
        }
    }

    @Test func aMessageOfWhichNothingMoreComesDoesNotHoldTheStop() async throws {
        try await withServer { test in
            let client = try GRPCClient(port: test.grpcPort)
            let streams = try (0..<3).map { _ in try client.open(Self.infer) }
            for stream in streams { stream.send(bytes: [0, 0, 1, 0, 0, 10]) }
            #expect(test.beginShutdown(gracePeriod: .seconds(100)).wait())
            for stream in streams { #expect(try stream.response().status == 14) }
        }
    }

    @Test func anAnswerThatIsNotTakenDoesNotHoldTheStop() async throws {
        try await withServer { test in
            let client = try GRPCClient(port: test.grpcPort, windowByteCount: 0)
            let stream = try client.open("/inference.GRPCInferenceService/ServerMetadata")
            stream.send([], isLast: true)
            #expect(eventually { !stream.current.headers.isEmpty })
            #expect(test.beginShutdown(gracePeriod: .seconds(100)).wait())
        }
    }

    @Test func aClientThatAnswersNoPingIsGivenUp() async throws {
        let configure: (inout HTTPServerConfiguration) -> Void = {
            $0.grpc.keepaliveTime = .milliseconds(100)
            $0.grpc.keepaliveTimeout = .milliseconds(100)
        }
        try await withServer(configure: configure) { test in
            let client = try RawClient(port: test.grpcPort)
            // The connection's preface and empty settings, as RFC 9113 has them; then silence.
            try client.send(Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8))
            try client.send([0, 0, 0, 4, 0, 0, 0, 0, 0])
            let received = try client.readToEnd()
            let ping: [UInt8] = [0, 0, 8, 6, 0, 0, 0, 0, 0]
            #expect(received.indices.contains { received[$0...].starts(with: ping) })
        }
    }
}
