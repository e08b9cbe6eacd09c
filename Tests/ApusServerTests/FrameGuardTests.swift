import ApusTestSupport
import NIOCore
import NIOHPACK
import Testing

@testable import ApusServer

/// Frames of HTTP/2 that keep a server busy for nothing.
@Suite struct FrameGuardTests {
    // MARK: Parts

    /// Heads are found however the bytes are cut.
    @Test(arguments: 0..<20)
    func headsAreFoundAcrossCuts(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var bytes = [UInt8](repeating: 0x50, count: 24)
        var expected: [[Int]] = []
        for _ in 0..<50 {
            let type = UInt8.random(in: 0...9, using: &random)
            let byteCount = Int.random(in: 0...300, using: &random)
            let stream = UInt32.random(in: 0...0x7fff_ffff, using: &random)
            bytes += Self.frame(type, 0, stream, [UInt8](repeating: 7, count: byteCount))
            expected.append([Int(type), byteCount, Int(stream)])
        }
        var scanner = FrameScanner()
        var found: [[Int]] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = Array(rest.prefix(Int.random(in: 1...40, using: &random)))
            rest = rest.dropFirst(part.count)
            part.withUnsafeBytes { buffer in
                var offset = 0
                while offset < buffer.count {
                    if let frame = scanner.next(buffer, &offset) {
                        found.append([Int(frame.type), frame.byteCount, Int(frame.streamID)])
                    }
                }
            }
        }
        #expect(found == expected)
    }

    @Test func budgetsFillAgainAndUsefulFramesEarnOthers() {
        func frame(_ type: UInt8, _ byteCount: Int = 4) -> FrameScanner.Frame {
            FrameScanner.Frame(type: type, flags: 0, byteCount: byteCount, streamID: 1)
        }
        func taken(_ budget: inout FrameBudget, _ type: UInt8, now: UInt64) -> Int {
            var count = 0
            while budget.take(frame(type), nowNanoseconds: now) == nil, count < 100_000 {
                count += 1
            }
            return count
        }
        var budget = FrameBudget(isSuspect: false, nowNanoseconds: 0)
        #expect(taken(&budget, 3, now: 0) == 2000)
        #expect(taken(&budget, 8, now: 0) == 10_000)
        let later = taken(&budget, 3, now: 1_000_000_000)
        #expect((490...500).contains(later))
        for _ in 0..<100 { _ = budget.take(frame(1), nowNanoseconds: 1_000_000_000) }
        #expect(taken(&budget, 6, now: 1_000_000_000) >= 399)
        budget.credit(sentByteCount: 1 << 20)
        #expect(taken(&budget, 8, now: 1_000_000_000) >= 1000)
        var suspect = FrameBudget(isSuspect: true, nowNanoseconds: 0)
        #expect(taken(&suspect, 3, now: 0) == 100)
    }

    @Test func addressesAreRememberedForAWhile() {
        let suspects = Suspects()
        for _ in 0..<3 { suspects.note("10.0.0.1", nowNanoseconds: 1) }
        #expect(suspects.contains("10.0.0.1", nowNanoseconds: 2))
        #expect(!suspects.contains("10.0.0.2", nowNanoseconds: 2))
        #expect(!suspects.contains("10.0.0.1", nowNanoseconds: 100_000_000_000))
    }

    @Test func answersThatAreNotTakenAreCounted() throws {
        let whole = ByteBudget(byteCountMax: 1000)
        let load = ConnectionLoad(share: ByteBudget(byteCountMax: 100, of: whole), of: whole)
        // One of any size, but not two.
        let large = try #require(load.takeUnsent(900))
        #expect(load.takeUnsent(101) == nil)
        let small = try #require(load.takeUnsent(100))
        #expect(load.takeUnsent(1) == nil)
        load.giveBack(large)
        load.giveBack(small)
        #expect(whole.current == 0)
        #expect(load.takeUnsent(1001) == nil)
    }

    @Test func dataThatWaitsIsCounted() {
        let whole = ByteBudget(byteCountMax: 100 << 20)
        let load = ConnectionLoad(share: ByteBudget(byteCountMax: 50 << 20, of: whole), of: whole)
        let frame = FrameScanner.Frame(type: 0, flags: 0, byteCount: 8 << 20, streamID: 5)
        #expect(load.take(frame) && load.take(frame) && load.take(frame))
        load.stopReading(5)
        #expect(load.take(frame) && load.take(frame) && !load.take(frame))
        load.goOnReading(5)
        #expect(whole.current == 0)
        #expect(load.take(frame))
    }

    // MARK: Connections

    /// Each flood is ended with GOAWAY, and others are served meanwhile.
    @Test(arguments: ["resets", "control"])
    func floodsAreEnded(reason: String) async throws {
        var flood = Self.preface + Self.frame(4, 0, 0, [])
        if reason == "resets" {
            var encoder = HPACKEncoder(allocator: ByteBufferAllocator())
            for index: UInt32 in 0..<8000 {
                var block = ByteBuffer()
                try encoder.encode(headers: Self.head, to: &block)
                flood += Self.frame(1, 4, 2 * index + 1, Array(block.readableBytesView))
                flood += Self.frame(3, 0, 2 * index + 1, [0, 0, 0, 8])
            }
        } else {
            for _ in 0..<60_000 { flood += Self.frame(8, 0, 0, [0, 0, 0, 1]) }
        }
        let bytes = flood
        try await withServer { test in
            let client = try RawClient(port: test.grpcPort)
            // The server may close before it has all.
            _ = try? client.send(bytes)
            let series = #"apus_grpc_connections_ended_total{reason="\#(reason)"}"#
            #expect(eventually { test.metric(series) == "1" })
            #expect(try test.exchange(infer("double")).status == 200)
            let live = "/inference.GRPCInferenceService/ServerLive"
            #expect(try GRPCClient(port: test.grpcPort).call(live, []).status == 0)
        }
    }

    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    private static let head: HPACKHeaders = [
        ":method": "POST", ":scheme": "http", ":authority": "localhost",
        ":path": "/inference.GRPCInferenceService/ServerLive", "te": "trailers",
        "content-type": "application/grpc",
    ]

    private static func frame(
        _ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]
    ) -> [UInt8] {
        let length = withUnsafeBytes(of: UInt32(payload.count).bigEndian) { Array($0.dropFirst()) }
        let id = withUnsafeBytes(of: stream.bigEndian) { Array($0) }
        return length + [type, flags] + id + payload
    }
}
