import ApusCore
import Glibc
import NIOCore
import Testing

@testable import ApusServer

/// As many connections as there may be, and what they hold.
@Suite struct OverloadTests {
    @Test func whoWaitsForNothingMakesRoom() async throws {
        try await withServer(configure: { $0.connectionCountMax = 2 }) { test in
            let idle = [try test.connect(), try test.connect()]
            for client in idle {
                #expect(try client.exchange(request("GET", "/livez")).status == 200)
            }
            usleep(1_300_000)
            #expect(try test.exchange(infer("double")).status == 200)
        }
    }

    /// A request in work is no idleness.
    @Test func busyConnectionsStay() async throws {
        try await withServer(configure: { $0.connectionCountMax = 1 }) { test in
            let busy = try test.connect()
            try busy.send(infer("held"))
            let held = try test.catalogue.model("held")
            #expect(eventually { held.heldCount == 1 })
            usleep(1_200_000)
            #expect(try test.connect().readToEnd().isEmpty)
            held.release()
            #expect(try busy.readResponse().status == 200)
        }
    }

    @Test func metricsPortsHaveConnectionsOfTheirOwn() async throws {
        try await withServer(configure: { $0.connectionCountMax = 1 }) { test in
            let only = try test.connect()
            #expect(try only.exchange(request("GET", "/livez")).status == 200)
            for path in ["/livez", "/metrics"] {
                let asker = try RawClient(port: test.metricsPort)
                #expect(try asker.exchange(request("GET", path)).status == 200)
            }
        }
    }

    @Test(
        arguments: [
            (limit: 1024, open: 24, connections: 808), (limit: 64, open: 24, connections: 20),
            (limit: 20, open: 24, connections: 1), (limit: .max, open: 0, connections: .max - 192),
        ] as [(limit: Int, open: Int, connections: Int)])
    func descriptorsAreKeptForOthers(limit: Int, open: Int, connections: Int) {
        let found = Descriptors.connectionCountMax(limit: limit, openCount: open)
        #expect(found == connections)
    }

    // MARK: Half-closed clients

    @Test func clientsThatSendNoMoreGetTheirAnswer() async throws {
        try await withServer { test in
            for text in [
                request("GET", "/livez"), infer("double"), infer("double") + infer("double"),
            ] {
                let client = try test.connect()
                try client.send(text)
                client.endInput()
                #expect(try client.readResponse().status == 200)
                if text.utf8.count > 400 { #expect(try client.readResponse().status == 200) }
                try client.readToEnd()
            }
        }
    }

    /// Most who send no more have gone.
    @Test func clientsThatHaveGoneAreNotWaitedFor() async throws {
        try await withServer(configure: { $0.idleTimeout = .seconds(60) }) { test in
            let client = try test.connect()
            try client.send(infer("held"))
            let held = try test.catalogue.model("held")
            #expect(eventually { held.heldCount == 1 })
            client.disconnect()
            #expect(eventually { held.requests.first?.cancellation.isCancelled == true })
            #expect(eventually { test.metric("apus_http_connections") == "0" })
            held.release()
        }
    }

    // MARK: Buffers

    @Test func buffersGrowWhileMuchComesAndShrinkBehindIt() {
        var pool = NIOPooledRecvBufferAllocator(capacity: 1, recvAllocator: ReceiveBuffers())
        let allocator = ByteBufferAllocator()
        func read(_ byteCount: Int) -> Int {
            let (buffer, read) = pool.buffer(allocator: allocator) { buffer in
                min(buffer.writeRepeatingByte(1, count: min(byteCount, buffer.capacity)), byteCount)
            }
            pool.record(actualReadBytes: read)
            return buffer.capacity
        }
        #expect(read(100) == 4096)
        #expect(read(4096) == 4096)
        #expect(read(1 << 20) == 32 << 10)
        #expect(read(1 << 20) == 256 << 10)
        #expect(read(90_000) == 256 << 10)
        #expect(read(100) == 256 << 10)
        // The large ones are gone.
        #expect(read(100) == 4096)
        #expect(pool.count == 1)
    }
}
