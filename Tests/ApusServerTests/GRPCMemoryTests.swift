import ApusMetrics
import NIOCore
import NIOEmbedded
import NIOHPACK
import NIOHTTP2
import Testing

@testable import ApusServer

/// What a connection of HTTP/2 leaves behind.
@Suite struct GRPCMemoryTests {
    /// However a connection ends, also in the middle of a read.
    @Test(arguments: ["client", "stream error", "garbage", "flood"])
    func aConnectionThatIsClosedHoldsNothing(end: String) throws {
        weak var handler: NIOHTTP2Handler?
        weak var peer: GRPCPeer?
        do {
            let connection = try EmbeddedGRPC()
            handler = try connection.channel.pipeline.syncOperations.handler(
                type: NIOHTTP2Handler.self)
            peer = connection.peer
            try connection.receive(
                Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
                    // No window for answers.
                    + Self.frame(4, 0, 0, [0, 4, 0, 0, 0, 0]))
            var encoder = HPACKEncoder(allocator: ByteBufferAllocator())
            var calls: [UInt8] = []
            for stream: UInt32 in [1, 3, 5] {
                var block = ByteBuffer()
                try encoder.encode(headers: Self.head, to: &block)
                calls += Self.frame(1, 4, stream, Array(block.readableBytesView))
                calls += Self.frame(0, 0, stream, Self.message)
            }
            try connection.receive(calls)
            let overflow = Self.frame(8, 0, 3, [0x7f, 0xff, 0xff, 0xff])
            switch end {
            case "stream error": try? connection.receive(overflow + overflow)
            case "garbage": try? connection.receive([UInt8](repeating: 0xff, count: 200))
            case "flood":
                let pings = (0..<11_000).flatMap { _ in
                    Self.frame(6, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8])
                }
                try? connection.receive(overflow + pings)
                connection.loop.advanceTime(by: .seconds(1))
            default: break
            }
            connection.close()
        }
        #expect(handler == nil)
        #expect(peer == nil)
    }

    private static let head: HPACKHeaders = [
        ":method": "POST", ":scheme": "http", ":authority": "localhost",
        ":path": "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "te": "trailers",
        "content-type": "application/grpc",
    ]

    /// Asks for the file of a symbol.
    private static var message: [UInt8] {
        let symbol = Array("inference.GRPCInferenceService".utf8)
        return ApusServerTests.frame([0x22, UInt8(symbol.count)] + symbol)
    }

    private static func frame(
        _ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]
    ) -> [UInt8] {
        let length = withUnsafeBytes(of: UInt32(payload.count).bigEndian) { Array($0.dropFirst()) }
        let id = withUnsafeBytes(of: stream.bigEndian) { Array($0) }
        return length + [type, flags] + id + payload
    }
}

/// One connection of gRPC without sockets.
private final class EmbeddedGRPC {
    let channel = EmbeddedChannel()
    private(set) weak var peer: GRPCPeer?
    private let serverLoop: ServerLoop

    var loop: EmbeddedEventLoop { channel.embeddedEventLoop }

    init() throws {
        let metrics = Metrics(version: "1.2.3", collectsProcess: false)
        let configuration = HTTPServerConfiguration(listeners: [])
        let logger = RecordedLog().logger
        let server = ServerContext(
            configuration: configuration,
            useCases: UseCases(
                catalogue: try FakeCatalogue(), metrics: metrics, serverName: "apus",
                serverVersion: "1.2.3"),
            metrics: metrics, accessLog: AccessLog(logger: logger, sample: 0), logger: logger)
        serverLoop = ServerLoop(
            eventLoop: channel.embeddedEventLoop, allocator: ByteBufferAllocator())
        peer = try GRPCPipeline.configure(channel, server: server, loop: serverLoop)
        try channel.connect(to: SocketAddress(unixDomainSocketPath: "/client")).wait()
    }

    func receive(_ bytes: [UInt8]) throws {
        try channel.writeInbound(ByteBuffer(bytes: bytes))
        loop.run()
    }

    func close() {
        _ = try? channel.finish(acceptAlreadyClosed: true)
        loop.run()
    }
}
