import ApusMetrics
import NIOCore

/// Stands between the socket and HTTP/2: lets no more frames through in one turn of the loop than a
/// turn may take, and ends connections that keep the server busy with frames that ask for nothing.
///
/// It also sees to it that HTTP/2 hears of the end of a read before it hears of the end of the
/// connection: until then NIO's multiplexer holds on to the streams of the read, and they to it, so that
/// a connection that is closed during a read would keep all its memory for good.
///
/// - Source: RFC 9113, section 10.5; CVE-2023-44487 (rapid reset), CVE-2024-27316 (CONTINUATION).
final class FrameGuard: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    private let load: ConnectionLoad
    private let loop: ServerLoop
    private let server: ServerContext
    private let address: String?
    private var budget: FrameBudget
    private var scanner = FrameScanner()
    /// What came and has to wait for later turns.
    private var held = CircularBuffer<ByteBuffer>()
    private var isScheduled = false
    private var hasReadToDo = false
    private var hasReadCompleteToDo = false
    /// Whether something went through since the last end of a read.
    private var isInsideRead = false
    private var isEnded = false

    /// - Parameter address: of the client, whose other connections may have been ended before.
    init(load: ConnectionLoad, loop: ServerLoop, server: ServerContext, address: String?) {
        self.load = load
        self.loop = loop
        self.server = server
        self.address = address
        let now = loop.nowNanoseconds
        let isSuspect = address.map { server.suspects.contains($0, nowNanoseconds: now) } ?? false
        budget = FrameBudget(isSuspect: isSuspect, nowNanoseconds: now)
    }

    // MARK: Inbound

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isEnded else { return }
        held.append(unwrapInboundIn(data))
        if !isScheduled { forward(context) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if held.isEmpty { endRead(context) } else { hasReadCompleteToDo = true }
    }

    /// What waits is not followed by more.
    func read(context: ChannelHandlerContext) {
        if held.isEmpty { context.read() } else { hasReadToDo = true }
    }

    func channelInactive(context: ChannelHandlerContext) {
        isEnded = true
        held.removeAll()
        if isInsideRead { endRead(context) }
        context.fireChannelInactive()
    }

    private func endRead(_ context: ChannelHandlerContext) {
        isInsideRead = false
        context.fireChannelReadComplete()
    }

    /// Lets through what one turn may take.
    private func forward(_ context: ChannelHandlerContext) {
        var allowance = FrameBudget.turnWeight
        while let bytes = held.first, !isEnded {
            var part = bytes
            let length = scan(bytes, &allowance, context)
            guard !isEnded else { return }
            if length == bytes.readableBytes {
                held.removeFirst()
            } else {
                held[held.startIndex].moveReaderIndex(forwardBy: length)
                part = part.getSlice(at: part.readerIndex, length: length) ?? part
            }
            if part.readableBytes > 0 {
                isInsideRead = true
                context.fireChannelRead(wrapInboundOut(part))
            }
            if allowance <= 0 { break }
        }
        guard held.isEmpty || isEnded else {
            schedule(context)
            return
        }
        if hasReadCompleteToDo {
            hasReadCompleteToDo = false
            endRead(context)
        }
        if hasReadToDo {
            hasReadToDo = false
            context.read()
        }
    }

    /// Goes on in the next turn, behind what other connections have to do in it.
    private func schedule(_ context: ChannelHandlerContext) {
        isScheduled = true
        endRead(context)
        loop.inAnotherTurn { [self] in
            isScheduled = false
            hasReadCompleteToDo = true
            if !isEnded { forward(context) }
        }
    }

    /// - Returns: how many bytes go through now.
    private func scan(
        _ bytes: ByteBuffer, _ allowance: inout Int, _ context: ChannelHandlerContext
    ) -> Int {
        let now = loop.nowNanoseconds
        var excess: FrameBudget.Excess?
        let length = bytes.withUnsafeReadableBytes { bytes in
            var offset = 0
            while offset < bytes.count, allowance > 0, excess == nil {
                guard let frame = scanner.next(bytes, &offset) else { continue }
                allowance -= frame.weight
                if frame.isData, !load.take(frame) { excess = .unreadData }
                if let found = budget.take(frame, nowNanoseconds: now) { excess = found }
            }
            return offset
        }
        if let excess { end(excess, context) }
        return length
    }

    /// Says goodbye and closes.
    private func end(_ excess: FrameBudget.Excess, _ context: ChannelHandlerContext) {
        isEnded = true
        held.removeAll()
        if let address { server.suspects.note(address, nowNanoseconds: loop.nowNanoseconds) }
        server.metrics.grpc.recordEnded(excess.rawValue)
        var frame = context.channel.allocator.buffer(capacity: 17)
        // GOAWAY, 8 bytes: the last stream that was looked at, and ENHANCE_YOUR_CALM.
        frame.writeBytes([0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0xb])
        context.writeAndFlush(wrapOutboundOut(.byteBuffer(frame)), promise: nil)
        context.close(promise: nil)
    }

    // MARK: Outbound

    /// Answers are followed by frames that make room for more of them.
    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        budget.credit(sentByteCount: unwrapOutboundIn(data).readableBytes)
        context.write(data, promise: promise)
    }
}
