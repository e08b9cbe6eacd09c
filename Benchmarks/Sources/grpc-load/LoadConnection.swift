import NIOCore
import NIOHPACK
import NIOHTTP2
import NIOPosix

/// A connection that keeps a number of calls under way.
///
/// `@unchecked Sendable` because it is touched on the only event loop.
final class LoadConnection: @unchecked Sendable {
    private let call: CallDescription
    private let measurement: Measurement
    private let headers: HPACKHeaders
    private var multiplexer: NIOHTTP2Handler.StreamMultiplexer?

    private init(_ call: CallDescription, _ measurement: Measurement) {
        self.call = call
        self.measurement = measurement
        headers = [
            ":method": "POST", ":scheme": "http", ":path": call.path, ":authority": "localhost",
            "te": "trailers", "content-type": "application/grpc",
        ]
    }

    static func open(
        port: Int, _ call: CallDescription, _ measurement: Measurement, streamCount: Int,
        on loop: any EventLoop
    ) async throws -> any Channel {
        let connection = LoadConnection(call, measurement)
        var http2 = NIOHTTP2Handler.Configuration()
        http2.stream.targetWindowSize = 8 << 20
        http2.connection.targetWindowSize = 8 << 20
        http2.connection.initialSettings = [
            .init(parameter: .initialWindowSize, value: 8 << 20),
            .init(parameter: .maxFrameSize, value: 1 << 20),
            .init(parameter: .enablePush, value: 0),
        ]
        http2.connection.controlFrameRateLimit.maximumCount = 1_000_000
        let configuration = http2
        let channel = try await ClientBootstrap(group: loop)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(
                .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 256 << 10)
            )
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    connection.multiplexer =
                        try channel.pipeline.syncOperations.configureHTTP2Pipeline(
                            mode: .client, connectionConfiguration: configuration.connection,
                            streamConfiguration: configuration.stream
                        ) { $0.close() }
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        try await loop.submit {
            for _ in 0..<streamCount { connection.startCall() }
        }.get()
        return channel
    }

    private func startCall() {
        guard !measurement.isEnded else { return }
        multiplexer?.createStreamChannel(promise: nil) { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(
                    CallHandler(self.headers, self.call.frame) { started, isGood in
                        self.measurement.note(startedNanoseconds: started, isGood: isGood)
                        self.startCall()
                    })
            }
        }
    }
}

/// One call, from its headers to its trailers.
private final class CallHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let headers: HPACKHeaders
    private let frame: ByteBuffer
    private let done: (_ startedNanoseconds: UInt64, _ isGood: Bool) -> Void
    private let startedNanoseconds = Measurement.now()
    private var receivedByteCount = 0
    private var isDone = false

    init(
        _ headers: HPACKHeaders, _ frame: ByteBuffer,
        _ done: @escaping (_ startedNanoseconds: UInt64, _ isGood: Bool) -> Void
    ) {
        self.headers = headers
        self.frame = frame
        self.done = done
    }

    func channelActive(context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(.headers(.init(headers: headers))), promise: nil)
        context.writeAndFlush(
            wrapOutboundOut(.data(.init(data: .byteBuffer(frame), endStream: true))), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .data(let frame): receivedByteCount += frame.data.readableBytes
        case .headers(let frame) where frame.endStream:
            finish(frame.headers.first(name: "grpc-status") == "0" && receivedByteCount > 5)
        default: break
        }
    }

    func channelInactive(context: ChannelHandlerContext) { finish(false) }

    private func finish(_ isGood: Bool) {
        guard !isDone else { return }
        isDone = true
        done(startedNanoseconds, isGood)
    }
}
