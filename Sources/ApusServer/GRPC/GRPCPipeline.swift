import NIOCore
import NIOHPACK
import NIOHTTP2

/// The handlers of a gRPC connection.
enum GRPCPipeline {
    /// Large enough for a 600 KB tensor to arrive without waiting for the receiver's permission.
    private static let windowByteCount = 8 << 20
    private static let frameByteCountMax = 1 << 20
    /// Frames that cost little in 30 seconds: clients of C++ ping with each answer that they read.
    private static let controlFrameCountMax = 100_000
    /// Calls that a client gives up in 30 seconds: each missed deadline is one.
    private static let resetCountMax = 20_000

    /// Puts the handlers into a new channel, on its event loop.
    ///
    /// - Returns: what its calls will share.
    @discardableResult
    static func configure(
        _ channel: any Channel, server: ServerContext, loop: ServerLoop
    ) throws -> GRPCPeer {
        if channel.localAddress?.ipAddress != nil {
            try channel.syncOptions?.setOption(.tcpOption(.tcp_nodelay), value: 1)
        }
        let management = NIOHTTP2ServerConnectionManagementHandler(
            eventLoop: channel.eventLoop, configuration: lifetime(server.configuration))
        let farewell = Farewell()
        let share = server.clientShares.share(of: channel)
        let load = ConnectionLoad(share: share, of: server.bodyMemory)
        let peer = GRPCPeer(
            caller: Caller(server.access, channel), share: share, load: load,
            now: loop.nowNanoseconds)
        let connection = GRPCConnection(
            server: server, loop: loop, peer: peer, farewell: farewell)
        let frameGuard = FrameGuard(
            load: load, loop: loop, server: server, address: channel.remoteAddress?.ipAddress)
        let boundPeer = NIOLoopBound(peer, eventLoop: channel.eventLoop)
        let loop = NIOLoopBound(loop, eventLoop: channel.eventLoop)
        let configuration = http2(server.configuration)
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(farewell)
        try pipeline.addHandler(FlushCoalescer())
        try pipeline.addHandler(frameGuard)
        _ = try pipeline.configureHTTP2Pipeline(
            mode: .server, connectionConfiguration: configuration.connection,
            streamConfiguration: configuration.stream,
            streamDelegate: StreamCount(
                connection: NIOLoopBound(connection, eventLoop: channel.eventLoop),
                next: management.http2StreamDelegate)
        ) { stream in
            stream.eventLoop.makeCompletedFuture {
                try stream.pipeline.syncOperations.addHandler(
                    GRPCStream(server: server, loop: loop.value, peer: boundPeer.value))
            }
        }
        try pipeline.addHandler(management)
        try pipeline.addHandler(connection)
        return peer
    }

    private static func lifetime(
        _ configuration: HTTPServerConfiguration
    ) -> NIOHTTP2ServerConnectionManagementHandler.Configuration {
        let grpc = configuration.grpc
        let age = grpc.connectionAgeMax
        return .init(
            maxIdleTime: TimeAmount(configuration.idleTimeout),
            maxAge: age == .zero ? nil : TimeAmount(age), maxGraceTime: nil,
            keepalive: .init(
                pingInterval: TimeAmount(grpc.keepaliveTime),
                ackTimeout: TimeAmount(grpc.keepaliveTimeout)))
    }

    private static func http2(
        _ configuration: HTTPServerConfiguration
    ) -> NIOHTTP2Handler.Configuration {
        var http2 = NIOHTTP2Handler.Configuration()
        http2.stream.targetWindowSize = windowByteCount
        http2.connection.targetWindowSize = windowByteCount
        http2.connection.initialSettings = [
            .init(parameter: .initialWindowSize, value: windowByteCount),
            .init(parameter: .maxFrameSize, value: frameByteCountMax),
            .init(
                parameter: .maxConcurrentStreams, value: configuration.grpc.streamCountMax),
            .init(parameter: .maxHeaderListSize, value: configuration.headerByteCountMax),
        ]
        http2.connection.controlFrameRateLimit.maximumCount = controlFrameCountMax
        http2.stream.streamResetFrameRateLimit.maximumCount = resetCountMax
        http2.stream.outboundBufferSizeHighWatermark = 1 << 20
        http2.stream.outboundBufferSizeLowWatermark = 256 << 10
        return http2
    }
}
