import ApusCore
import ApusWire
import NIOCore
import NIOHPACK
import NIOHTTP2

/// Sends the answers of a call, and its end.
extension GRPCStream {
    private static let responseHead: HPACKHeaders = [
        ":status": "200", "content-type": "application/grpc",
        "grpc-accept-encoding": "identity,deflate,gzip",
    ]
    private static let okTrailers: HPACKHeaders = ["grpc-status": "0"]

    /// Sends one message, and the end behind it if `isLast`.
    ///
    /// - Parameters:
    ///   - byteCount: of the message.
    ///   - write: writes it to memory of that length.
    func send(
        byteCount: Int, isLast: Bool, _ write: (UnsafeMutableRawPointer) -> Void
    ) {
        guard !isEnded else { return }
        do {
            send(frame: try writer.frame(byteCount: byteCount, write), isLast: isLast)
        } catch {
            finish(GRPCStatus(error))
        }
    }

    /// How messages become what is sent.
    var writer: MessageWriter {
        MessageWriter(
            allocator: loop.responseWriter.allocator, compression: compression,
            level: server.configuration.grpc.compressionLevel)
    }

    /// Sends what `writer` made of a message, and the end behind it if `isLast`.
    func send(frame: ByteBuffer, isLast: Bool) {
        guard !isEnded, let context else { return }
        let byteCount = frame.readableBytes
        var promise: EventLoopPromise<Void>?
        // Short answers of calls with one answer are as many as calls.
        if byteCount > Self.countedByteCount || !isLast {
            guard var unsent = peer.load.takeUnsent(byteCount) else {
                finish(GRPCStatus(GRPCProblem.answerMemoryExhausted))
                return
            }
            unsent.bytes = frame
            promise = self.promise(giving: unsent, context)
        }
        sentByteCount += byteCount
        sendHead()
        if byteCount <= Self.pieceByteCountMax, outgoing.isEmpty {
            write(frame, promise, context)
        } else {
            outgoing.append((frame, promise))
            sendOutgoing()
        }
        if isLast {
            finish(.ok)
        } else {
            context.flush()
            noteWritability()
        }
    }

    /// Answers that are longer are counted until they are sent.
    private static let countedByteCount = 16 << 10
    /// What one turn of the loop puts into frames.
    private static let pieceByteCountMax = 1 << 20

    private func promise(
        giving unsent: ConnectionLoad.UnsentBytes, _ context: ChannelHandlerContext
    ) -> EventLoopPromise<Void> {
        let promise = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound((peer.load, unsent), eventLoop: context.eventLoop)
        promise.futureResult.whenComplete { _ in
            let (load, unsent) = bound.value
            load.giveBack(unsent)
        }
        return promise
    }

    private func write(
        _ bytes: ByteBuffer, _ promise: EventLoopPromise<Void>?, _ context: ChannelHandlerContext
    ) {
        context.write(
            wrapOutboundOut(.data(.init(data: .byteBuffer(bytes)))), promise: promise)
    }

    /// Sends the next piece of what is long, and the end behind the last one.
    func sendOutgoing() {
        guard let context, let (bytes, promise) = outgoing.first, context.channel.isWritable,
            !isPieceOnItsWay
        else { return }
        if bytes.readableBytes <= Self.pieceByteCountMax {
            outgoing.removeFirst()
            write(bytes, promise, context)
        } else {
            var rest = bytes
            let piece = rest.readSlice(length: Self.pieceByteCountMax)
            outgoing[outgoing.startIndex].bytes = rest
            if let piece { write(piece, nil, context) }
        }
        guard outgoing.isEmpty else {
            context.flush()
            noteWritability()
            isPieceOnItsWay = true
            loop.inAnotherTurn { [self] in
                isPieceOnItsWay = false
                sendOutgoing()
            }
            return
        }
        if let status = statusBehindOutgoing {
            finish(status)
        } else {
            context.flush()
            takeData()
        }
    }

    private func noteWritability() {
        if context?.channel.isWritable == false, unwritableSinceNanoseconds == nil {
            unwritableSinceNanoseconds = loop.nowNanoseconds
        }
    }

    func send(_ message: [UInt8], isLast: Bool) {
        send(byteCount: message.count, isLast: isLast) { target in
            message.withUnsafeBytes { bytes in
                if let start = bytes.baseAddress {
                    target.copyMemory(from: start, byteCount: bytes.count)
                }
            }
        }
    }

    /// How answers are compressed; nil = not.
    private var compression: ContentCoding? {
        server.configuration.grpc.compressionLevel > 0 ? head.acceptedEncoding : nil
    }

    private func sendHead() {
        guard !hasSentHead, let context else { return }
        hasSentHead = true
        var headers = Self.responseHead
        if let compression { headers.add(name: "grpc-encoding", value: compression.rawValue) }
        context.write(wrapOutboundOut(.headers(.init(headers: headers))), promise: nil)
    }

    /// Ends the call.
    func finish(_ status: GRPCStatus) {
        guard !isEnded, let context else { return }
        if !outgoing.isEmpty, status.code == .ok {
            statusBehindOutgoing = status
            return
        }
        failOutgoing()
        var trailers = Self.okTrailers
        if status.code != .ok || !hasSentHead {
            trailers = hasSentHead ? [:] : Self.responseHead
            trailers.add(name: "grpc-status", value: "\(status.code.rawValue)")
            if !status.message.isEmpty {
                trailers.add(name: "grpc-message", value: status.encodedMessage)
            }
        }
        end(status)
        writeLast(trailers, context)
    }

    /// What has not been sent will not be.
    func failOutgoing() {
        let failed = outgoing
        outgoing.removeAll()
        for (_, promise) in failed { promise?.fail(ChannelError.ioOnClosedChannel) }
    }

    /// Answers what is no gRPC.
    func refuse(_ status: HTTPStatus) {
        guard let context else { return }
        var headers: HPACKHeaders = [":status": "\(status.code)"]
        if status == .methodNotAllowed { headers.add(name: "allow", value: "POST") }
        end(GRPCStatus(code: .unknown, message: ""))
        writeLast(headers, context)
    }

    private func writeLast(_ headers: HPACKHeaders, _ context: ChannelHandlerContext) {
        let payload = HTTP2Frame.FramePayload.headers(.init(headers: headers, endStream: true))
        guard !hasReceivedEnd else {
            context.writeAndFlush(wrapOutboundOut(payload), promise: nil)
            return
        }
        // The client need not send the rest.
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        context.writeAndFlush(wrapOutboundOut(payload)).whenSuccess {
            let stream = bound.value
            guard !stream.hasReceivedEnd, let context = stream.context else { return }
            context.writeAndFlush(
                stream.wrapOutboundOut(.rstStream(.noError)), promise: nil)
        }
    }
}
