import ApusCore
import NIOCore
import NIOHPACK
import NIOHTTP2
import NIOPosix

/// An answer as it came over the wire.
struct GRPCResponse: Sendable {
    var headers: HPACKHeaders = [:]
    var trailers: HPACKHeaders = [:]
    var data: [UInt8] = []
    /// Whether the server ended the stream in an orderly way.
    var hasEnded = false
    /// The error code of a stream that was reset.
    var resetCode: HTTP2ErrorCode?

    /// The value of `grpc-status`, wherever it stands.
    var status: Int? {
        (trailers.first(name: "grpc-status") ?? headers.first(name: "grpc-status")).flatMap {
            Int($0)
        }
    }

    var statusMessage: String {
        trailers.first(name: "grpc-message") ?? headers.first(name: "grpc-message") ?? ""
    }

    /// The messages with their flags; nil if the data is not made of whole ones.
    var messages: [(isCompressed: Bool, bytes: [UInt8])]? {
        var messages: [(Bool, [UInt8])] = []
        var rest = data[...]
        while !rest.isEmpty {
            guard rest.count >= 5 else { return nil }
            let start = rest.startIndex
            let length = rest[(start + 1)..<(start + 5)].reduce(0) { $0 << 8 | Int($1) }
            guard rest.count >= 5 + length else { return nil }
            messages.append((rest[start] == 1, Array(rest[(start + 5)..<(start + 5 + length)])))
            rest = rest.dropFirst(5 + length)
        }
        return messages
    }
}

/// A blocking client of gRPC over one connection. Nothing waits longer than two minutes.
final class GRPCClient: Sendable {
    enum Failure: Error, Equatable {
        case silence
        case malformed
    }

    private let channel: any Channel
    private let multiplexer: NIOHTTP2Handler.StreamMultiplexer

    /// - Parameter windowByteCount: how much of an answer the server may send unasked.
    init(port: Int, windowByteCount: Int = 1 << 20) throws {
        var configuration = NIOHTTP2Handler.Configuration()
        configuration.stream.targetWindowSize = windowByteCount
        configuration.connection.initialSettings = [
            .init(parameter: .initialWindowSize, value: windowByteCount),
            .init(parameter: .enablePush, value: 0),
        ]
        let http2 = configuration
        channel = try ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    _ = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
                        mode: .client, connectionConfiguration: http2.connection,
                        streamConfiguration: http2.stream
                    ) { $0.close() }
                }
            }
            .connect(host: "127.0.0.1", port: port).wait()
        multiplexer = try channel.pipeline.handler(type: NIOHTTP2Handler.self)
            .flatMap { $0.multiplexer }.wait()
    }

    deinit { channel.close(promise: nil) }

    var isOpen: Bool { channel.isActive }

    func disconnect() { channel.close(promise: nil) }

    func open(_ path: String, headers: [(String, String)] = []) throws -> GRPCClientStream {
        let recorder = GRPCRecorder()
        let stream = try multiplexer.createStreamChannel { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(recorder.makeHandler())
            }
        }.wait()
        let result = GRPCClientStream(client: self, channel: stream, recorder: recorder)
        let fixed = [
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
            ("te", "trailers"), ("content-type", "application/grpc"),
        ]
        let names = headers.map(\.0)
        var head: HPACKHeaders = [:]
        for (name, value) in fixed {
            let replaced = names.firstIndex(of: name).map { headers[$0].1 }
            head.add(name: name, value: replaced ?? value)
        }
        for (name, value) in headers where !fixed.contains(where: { $0.0 == name }) {
            head.add(name: name, value: value)
        }
        stream.writeAndFlush(HTTP2Frame.FramePayload.headers(.init(headers: head)), promise: nil)
        return result
    }

    /// One request with one message, and the whole answer.
    func call(
        _ method: String, _ message: [UInt8], headers: [(String, String)] = []
    ) throws -> GRPCResponse {
        let stream = try open(method, headers: headers)
        stream.send(message, isLast: true)
        return try stream.response()
    }
}

/// A call that is under way.
struct GRPCClientStream: Sendable {
    /// Keeps the connection open.
    fileprivate let client: GRPCClient
    fileprivate let channel: any Channel
    fileprivate let recorder: GRPCRecorder

    /// Sends a message in its frame.
    func send(_ message: [UInt8], isCompressed: Bool = false, isLast: Bool = false) {
        send(bytes: frame(message, isCompressed: isCompressed), isLast: isLast)
    }

    /// Sends data as it is.
    func send(bytes: [UInt8], isLast: Bool = false) {
        channel.writeAndFlush(
            HTTP2Frame.FramePayload.data(
                .init(data: .byteBuffer(ByteBuffer(bytes: bytes)), endStream: isLast)),
            promise: nil)
    }

    /// Gives the call up.
    func cancel() {
        channel.writeAndFlush(HTTP2Frame.FramePayload.rstStream(.cancel), promise: nil)
    }

    /// The whole answer.
    func response() throws -> GRPCResponse {
        guard eventually({ recorder.current.hasEnded || recorder.current.resetCode != nil }) else {
            throw GRPCClient.Failure.silence
        }
        return recorder.current
    }

    /// The messages, when there are at least so many.
    func messages(atLeast count: Int) throws -> [[UInt8]] {
        guard eventually({ recorder.current.messages?.count ?? 0 >= count }) else {
            throw GRPCClient.Failure.silence
        }
        guard let messages = recorder.current.messages else { throw GRPCClient.Failure.malformed }
        return messages.map(\.bytes)
    }

    /// What has come so far.
    var current: GRPCResponse { recorder.current }
}

/// A message in the frame of gRPC.
func frame(_ message: [UInt8], isCompressed: Bool = false) -> [UInt8] {
    let length = withUnsafeBytes(of: UInt32(message.count).bigEndian) { Array($0) }
    return [isCompressed ? 1 : 0] + length + message
}

/// Collects what arrives on a stream.
private final class GRPCRecorder: Sendable {
    private let response = Guarded(GRPCResponse())

    var current: GRPCResponse { response.withLock { $0 } }

    func makeHandler() -> Handler { Handler(response: response) }

    final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTP2Frame.FramePayload

        private let response: Guarded<GRPCResponse>

        init(response: Guarded<GRPCResponse>) { self.response = response }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let payload = unwrapInboundIn(data)
            response.withLock { response in
                switch payload {
                case .headers(let frame):
                    if response.headers.isEmpty {
                        response.headers = frame.headers
                    } else {
                        response.trailers = frame.headers
                    }
                    response.hasEnded = frame.endStream
                case .data(let frame):
                    if case .byteBuffer(let bytes) = frame.data {
                        response.data += bytes.readableBytesView
                    }
                    response.hasEnded = frame.endStream
                case .rstStream(let code): response.resetCode = code
                default: break
                }
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            response.withLock { response in
                if let closed = error as? NIOHTTP2Errors.StreamClosed {
                    response.resetCode = closed.errorCode
                }
            }
        }

        func channelInactive(context: ChannelHandlerContext) {
            response.withLock { response in
                if !response.hasEnded, response.resetCode == nil { response.resetCode = .cancel }
            }
        }
    }
}
