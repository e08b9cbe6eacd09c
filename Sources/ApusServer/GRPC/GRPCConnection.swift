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
    /// When something came last, on the loop's clock.
    private var readNanoseconds: UInt64

    init(server: ServerContext, loop: ServerLoop) {
        self.server = server
        self.loop = loop
        readNanoseconds = loop.nowNanoseconds
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

    func channelReadComplete(context: ChannelHandlerContext) {
        readNanoseconds = loop.nowNanoseconds
        context.fireChannelReadComplete()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // These concern one stream, which hears of them itself.
        if error is NIOHTTP2Errors.StreamError || error is NIOHTTP2Errors.NoSuchStream { return }
        context.close(promise: nil)
    }

    func checkTimeouts(now: UInt64) {
        guard let context else { return }
        stall.update(context.channel, now: now)
        let isStalled =
            stall.nanoseconds(now: now) > server.configuration.writeTimeout.nanoseconds
        // Of a ping without an answer NIO's handler makes a farewell, and waits for the answer to that.
        let grpc = server.configuration.grpc
        let silence = (grpc.keepaliveTime + grpc.keepaliveTimeout).nanoseconds
        if isStalled || now &- min(readNanoseconds, now) > silence { closeNow() }
    }

    func closeNow() { context?.close(promise: nil) }
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
