import ApusCore
import Testing

@testable import ApusServer

/// Memory for bodies: taken by what arrives, and by nobody alone.
@Suite struct BodyMemoryTests {
    private static let mebibyte = 1 << 20

    @Test func declaredBodiesTakeNothing() async throws {
        try await withServer(configure: { $0.bodyMemoryByteCountMax = 4 * Self.mebibyte }) { test in
            var clients: [RawClient] = []
            for _ in 0..<33 {
                let client = try test.connect()
                try client.send(
                    "POST /v2/models/double/infer HTTP/1.1\r\nHost: localhost\r\n"
                        + "Content-Length: \(Self.mebibyte)\r\n\r\n{")
                clients.append(client)
            }
            for _ in 0..<8 { #expect(try test.exchange(infer("double")).status == 200) }
            withExtendedLifetime(clients) {}
        }
    }

    @Test func declaredMessagesTakeNothing() async throws {
        try await withServer(configure: { $0.bodyMemoryByteCountMax = 4 * Self.mebibyte }) { test in
            let client = try GRPCClient(port: test.grpcPort)
            var streams: [GRPCClientStream] = []
            for _ in 0..<33 {
                let stream = try client.open("/inference.GRPCInferenceService/ModelInfer")
                stream.send(bytes: [0, 0, 16, 0, 0, 10])
                streams.append(stream)
            }
            let live = try client.call("/inference.GRPCInferenceService/ServerLive", [])
            #expect(live.status == 0)
            for _ in 0..<8 { #expect(try test.exchange(infer("double")).status == 200) }
            withExtendedLifetime(streams) {}
        }
    }

    @Test func openCallsTakeMemoryBesideTheFirst() async throws {
        try await withServer(configure: { $0.clientBodyMemoryByteCountMax = 10 << 10 }) { test in
            let client = try GRPCClient(port: test.grpcPort)
            let path = "/inference.GRPCInferenceService/ServerLive"
            let open = try (0..<3).map { _ in try client.open(path) }
            #expect(try client.call(path, []).status == 14)
            for stream in open { stream.send([], isLast: true) }
            for stream in open { #expect(try stream.response().status == 0) }
            #expect(eventually { (try? client.call(path, []).status) == 0 })
        }
    }

    @Test func oneClientLeavesSomethingForTheOthers() async throws {
        let path = "/v2/models/double/infer"
        try await withServer(configure: {
            $0.bodyMemoryByteCountMax = Self.mebibyte
            $0.clientBodyMemoryByteCountMax = Self.mebibyte / 4
        }) { test in
            let head = request("POST", path, headers: ["Content-Length: 500000"])
            let greedy = try test.connect()
            try greedy.send(head)
            _ = greedy.sendWithoutWaiting([UInt8](repeating: 32, count: 1 << 16), upTo: 400_000)
            #expect(try greedy.readResponse().status == 503)
            #expect(try test.exchange(infer("double")).status == 200)

            let stream = try GRPCClient(port: test.grpcPort).open(
                "/inference.GRPCInferenceService/ModelInfer")
            stream.send(bytes: [0, 0, 8, 0, 0] + [UInt8](repeating: 1, count: 400_000))
            #expect(try stream.response().status == 14)
            #expect(try test.exchange(infer("double")).status == 200)
        }
    }

    @Test func allConnectionsOfAnAddressCanBeOneClient() {
        let whole = ByteBudget(byteCountMax: 100)
        let shares = ClientShares(of: whole, byteCountMax: 60, isByAddress: true)
        let first = shares.share(of: "10.0.0.1")
        #expect(first.take(40))
        #expect(!shares.share(of: "10.0.0.1").take(40))
        let other = shares.share(of: "10.0.0.2")
        #expect(other.take(60))
        // All together, too.
        #expect(!first.take(1))
        other.giveBack(60)
        #expect(first.take(20))
        #expect(whole.current == 60)
        shares.release("10.0.0.1")
        #expect(shares.share(of: "10.0.0.1") === first)
        shares.release("10.0.0.1")
        shares.release("10.0.0.1")
        #expect(shares.share(of: "10.0.0.1") !== first)
    }

    /// Whatever the parts, the bytes are those that were sent, and all memory comes back.
    @Test(arguments: [nil, 3_000_000] as [Int?])
    func bodiesAreWhatArrived(declaredByteCount: Int?) throws {
        let budget = ByteBudget(byteCountMax: 16 << 20)
        let source = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        for step in [1 << 10, 65_537, 1_500_000, 3_000_000] {
            let body = RequestBody(
                declaredByteCount: declaredByteCount, headerByteCount: 7,
                byteCountMax: 4 << 20, budget: budget)
            for start in stride(from: 0, to: source.count, by: step) {
                let part = source[start..<min(start + step, source.count)]
                try part.withUnsafeBytes { try body.append($0) }
            }
            let isSame = body.bytes.withUnsafeBytes { $0.elementsEqual(source) }
            #expect(isSame)
            #expect(budget.current >= source.count && budget.current < 7 << 20)
        }
        #expect(budget.current == 0)
    }
}
