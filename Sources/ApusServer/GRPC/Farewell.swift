import NIOCore
import NIOHTTP2

/// Tells a client that the server stops, before the connection's state machine knows: a GOAWAY that
/// refuses nothing, and a ping. When the ping is answered the client knows, and what it had sent before
/// has arrived; only then the connection is closed in the usual way.
///
/// NIO takes a connection without open streams as over from the first GOAWAY on, and refuses requests
/// that crossed it. So these two frames are written below it, between two of its own.
///
/// - Source: RFC 9113, sections 6.7 and 6.8.
final class Farewell: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Recognises the answer to our ping.
    static let pingData = HTTP2PingData(withInteger: 0x6170_7573_2062_7965)
    /// Longest wait for the answer.
    private static let answerTimeMax = TimeAmount.seconds(1)

    private var context: ChannelHandlerContext?
    private var timeout: Scheduled<Void>?
    /// Held back until the client knows.
    private var event: ChannelShouldQuiesceEvent?

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        timeout?.cancel()
        self.context = nil
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let quiesce = event as? ChannelShouldQuiesceEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        guard self.event == nil else { return }
        self.event = quiesce
        var frames = context.channel.allocator.buffer(capacity: 34)
        Self.writeGoAwayAndPing(&frames)
        context.writeAndFlush(wrapOutboundOut(frames), promise: nil)
        let own = NIOLoopBound(self, eventLoop: context.eventLoop)
        timeout = context.eventLoop.scheduleTask(in: Self.answerTimeMax) { own.value.finish() }
    }

    /// The client has answered a ping.
    func pingAnswered(_ data: HTTP2PingData) {
        if data == Self.pingData { finish() }
    }

    private func finish() {
        timeout?.cancel()
        guard let event, timeout != nil else { return }
        timeout = nil
        context?.fireUserInboundEventTriggered(event)
    }

    private static func writeGoAwayAndPing(_ frames: inout ByteBuffer) {
        // Length, type, flags, stream; last stream that is served, no error.
        frames.writeMultipleIntegers(UInt8(0), UInt16(8), UInt8(7), UInt8(0), UInt32(0))
        frames.writeMultipleIntegers(UInt32(Int32.max), UInt32(0))
        frames.writeMultipleIntegers(UInt8(0), UInt16(8), UInt8(6), UInt8(0), UInt32(0))
        frames.writeInteger(UInt64(pingData.integer))
    }
}
