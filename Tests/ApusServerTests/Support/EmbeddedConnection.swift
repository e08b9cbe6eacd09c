import ApusMetrics
import NIOCore
import NIOEmbedded

@testable import ApusServer

/// One connection without sockets, threads or real time: bytes in, bytes out, and a clock that the
/// test turns.
final class EmbeddedConnection {
    let catalogue: FakeCatalogue
    let metrics: Metrics
    private let channel = EmbeddedChannel()
    private let loop: ServerLoop

    init(
        _ catalogue: FakeCatalogue? = nil, metrics: Metrics? = nil,
        configure: (inout HTTPServerConfiguration) -> Void = { _ in }
    ) throws {
        self.catalogue = try catalogue ?? FakeCatalogue()
        self.metrics = metrics ?? Metrics(version: "1.2.3", collectsProcess: false)
        var configuration = HTTPServerConfiguration(listeners: [])
        configure(&configuration)
        let logger = RecordedLog().logger
        let server = ServerContext(
            configuration: configuration,
            useCases: UseCases(
                catalogue: self.catalogue, metrics: self.metrics, serverName: "apus",
                serverVersion: "1.2.3", dialects: configuration.dialects),
            metrics: self.metrics, accessLog: AccessLog(logger: logger, sample: 0), logger: logger)
        loop = ServerLoop(
            eventLoop: channel.embeddedEventLoop, allocator: ByteBufferAllocator())
        loop.start(sweepEvery: ServerLoop.sweepInterval(configuration))
        try HTTPPipeline.configure(
            channel, HTTPConnection(server: server, loop: loop, role: .inference), configuration)
        try channel.connect(to: SocketAddress(unixDomainSocketPath: "/client")).wait()
    }

    deinit {
        loop.stop()
        _ = try? channel.finish(acceptAlreadyClosed: true)
    }

    var isOpen: Bool { channel.isActive }

    func receive(_ text: String) throws { try receive(Array(text.utf8)) }

    /// Bytes that arrive together.
    func receive(_ bytes: [UInt8]) throws {
        try channel.writeInbound(ByteBuffer(bytes: bytes))
        channel.embeddedEventLoop.run()
    }

    /// All that was sent since the last call.
    func sentBytes() throws -> [UInt8] {
        channel.embeddedEventLoop.run()
        var bytes: [UInt8] = []
        while let part = try channel.readOutbound(as: ByteBuffer.self) {
            bytes += part.readableBytesView
        }
        return bytes
    }

    func sent() throws -> String { String(decoding: try sentBytes(), as: UTF8.self) }

    func advance(seconds: Int64) {
        channel.embeddedEventLoop.advanceTime(by: .seconds(seconds))
    }

    /// What the server does with its connections when it stops.
    func beginDraining() {
        channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        channel.embeddedEventLoop.run()
    }

    /// The client goes away.
    func disconnect() { _ = try? channel.finish(acceptAlreadyClosed: true) }
}
