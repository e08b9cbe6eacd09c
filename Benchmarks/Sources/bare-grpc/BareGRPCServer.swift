import NIOCore
import NIOHPACK
import NIOHTTP2
import NIOPosix

/// The least a gRPC server on NIO can do: every call is answered with its own message. Its figure is
/// the yardstick for what Apus' own work costs.
///
/// Usage: bare-grpc PORT. One event loop on the loopback address.
@main
enum BareGRPCServer {
    static func main() async throws {
        let port = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 8_011
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    _ = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
                        mode: .server, connectionConfiguration: connectionConfiguration,
                        streamConfiguration: streamConfiguration
                    ) { stream in
                        stream.eventLoop.makeCompletedFuture {
                            try stream.pipeline.syncOperations.addHandler(EchoHandler())
                        }
                    }
                }
            }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(
                .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 256 << 10)
            )
            .bind(host: "127.0.0.1", port: port).get()
        try await channel.closeFuture.get()
    }

    /// The windows and frames of Apus.
    private static var connectionConfiguration: NIOHTTP2Handler.ConnectionConfiguration {
        var configuration = NIOHTTP2Handler.ConnectionConfiguration()
        configuration.targetWindowSize = 8 << 20
        configuration.initialSettings = [
            .init(parameter: .initialWindowSize, value: 8 << 20),
            .init(parameter: .maxFrameSize, value: 1 << 20),
            .init(parameter: .maxConcurrentStreams, value: 1000),
        ]
        configuration.controlFrameRateLimit.maximumCount = 1_000_000
        return configuration
    }

    private static var streamConfiguration: NIOHTTP2Handler.StreamConfiguration {
        var configuration = NIOHTTP2Handler.StreamConfiguration()
        configuration.targetWindowSize = 8 << 20
        return configuration
    }
}

private final class EchoHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private static let head: HPACKHeaders = [":status": "200", "content-type": "application/grpc"]
    private static let trailers: HPACKHeaders = ["grpc-status": "0"]
    private var message: ByteBuffer?

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .data(let frame) = unwrapInboundIn(data) else { return }
        if case .byteBuffer(var bytes) = frame.data {
            if message == nil { message = bytes } else { message?.writeBuffer(&bytes) }
        }
        guard frame.endStream, let message else { return }
        context.write(wrapOutboundOut(.headers(.init(headers: Self.head))), promise: nil)
        context.write(wrapOutboundOut(.data(.init(data: .byteBuffer(message)))), promise: nil)
        context.writeAndFlush(
            wrapOutboundOut(.headers(.init(headers: Self.trailers, endStream: true))), promise: nil)
    }
}
