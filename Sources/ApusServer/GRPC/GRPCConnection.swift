import ApusMetrics
import NIOCore
import NIOHTTP2

/// One HTTP/2 connection: closes it when the client takes nothing of its answers, answers no ping, or
/// makes no sense.
/// Its calls are `GRPCStream`s. Confined to its event loop.
final class GRPCConnection: ChannelInboundHandler, LoopMember {
    typealias InboundIn = HTTP2Frame

    var indexInLoop: Int?
    private let server: ServerContext
    private let loop: ServerLoop
    private var context: ChannelHandlerContext?
    private var stall = WriteStall()
    fileprivate var openStreamCount = 0
    /// When the server began to stop.
    private var drainingSinceNanoseconds: UInt64?
    private let peer: GRPCPeer
    private let farewell: Farewell

    init(server: ServerContext, loop: ServerLoop, peer: GRPCPeer, farewell: Farewell) {
        self.server = server
        self.peer = peer
        self.farewell = farewell
        self.loop = loop
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        loop.add(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        loop.remove(self)
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        loop.remove(self)
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .ping(let data, ack: true) = unwrapInboundIn(data).payload {
            farewell.pingAnswered(data)
        }
        context.fireChannelRead(data)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        peer.readNanoseconds = loop.nowNanoseconds
        context.fireChannelReadComplete()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent { drainingSinceNanoseconds = loop.nowNanoseconds }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // These concern one stream, which hears of them itself.
        if error is NIOHTTP2Errors.StreamError || error is NIOHTTP2Errors.NoSuchStream { return }
        context.close(promise: nil)
    }

    func checkTimeouts(now: UInt64) {
        guard let context else { return }
        stall.update(context.channel, now: now)
        let patience = server.configuration.patience(isDraining: drainingSinceNanoseconds != nil)
        let isStalled = stall.nanoseconds(now: now) > patience.nanoseconds
        // Of a ping without an answer NIO's handler makes a farewell, and waits for the answer to that.
        let grpc = server.configuration.grpc
        let silence = (grpc.keepaliveTime + grpc.keepaliveTimeout).nanoseconds
        if isStalled || peer.silenceNanoseconds(now: now) > silence || isOver(now) { closeNow() }
    }

    /// Whether the server stops and nobody calls: NIO's farewell waits for a client to answer it.
    private func isOver(_ now: UInt64) -> Bool {
        guard openStreamCount == 0, let since = drainingSinceNanoseconds else { return false }
        return now &- min(since, now) > server.configuration.drainPatience.nanoseconds
    }

    func idleNanoseconds(now: UInt64) -> UInt64? {
        guard openStreamCount == 0 else { return nil }
        let silence = peer.silenceNanoseconds(now: now)
        return silence > 0 ? silence : nil
    }

    func closeNow() { context?.close(promise: nil) }
}

/// Tells a connection how many of its streams are open, and the next in line as well.
final class StreamCount: NIOHTTP2StreamDelegate {
    private let connection: NIOLoopBound<GRPCConnection>
    private let next: any NIOHTTP2StreamDelegate

    init(connection: NIOLoopBound<GRPCConnection>, next: any NIOHTTP2StreamDelegate) {
        self.connection = connection
        self.next = next
    }

    func streamCreated(_ id: HTTP2StreamID, channel: any Channel) {
        connection.value.openStreamCount += 1
        next.streamCreated(id, channel: channel)
    }

    func streamClosed(_ id: HTTP2StreamID, channel: any Channel) {
        connection.value.openStreamCount -= 1
        next.streamClosed(id, channel: channel)
    }
}

/// For how long a client has taken nothing of what is to be sent.
struct WriteStall {
    private var since: (nanoseconds: UInt64, bufferedByteCount: Int)?

    mutating func update(_ channel: any Channel, now: UInt64) {
        let buffered = (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        if buffered == 0 {
            since = nil
        } else if since?.bufferedByteCount != buffered {
            since = (now, buffered)
        }
    }

    func nanoseconds(now: UInt64) -> UInt64 { since.map { now &- $0.nanoseconds } ?? 0 }
}
