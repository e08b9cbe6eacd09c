import ApusCore
import ApusWire
import NIOCore

/// Decompresses requests and compresses answers. What is not compressed never comes here; what is
/// large is worked on away from the event loop.
extension HTTPConnection {
    /// Shorter answers do not get shorter by it.
    static let compressedByteCountMin = 256

    // MARK: Requests

    /// Decompresses the body and goes on with the request.
    func inflate(_ exchange: Exchange, _ coding: ContentCoding, then next: @escaping () -> Void) {
        guard let body = exchange.body else {
            refuseBody(exchange, WireError.compression(coding, reason: "it ends too early"))
            return
        }
        exchange.body = nil
        do {
            let inflation = try BodyInflation(
                body.bytes, coding,
                headerByteCount: exchange.head.inferenceHeaderLength.flatMap { Int($0) },
                byteCountMax: server.configuration.bodyByteCountMax, budget: share)
            if let inflated = try inflation.advance(upTo: ServerLoop.inlineByteCountMax) {
                exchange.body = inflated
                next()
            } else {
                loop.elsewhere(server, byteCount: body.bytes.count * 4) {
                    try inflation.advance(upTo: .max)
                } then: { result in
                    do {
                        exchange.body = try result.get()
                        next()
                    } catch {
                        self.refuseBody(exchange, error)
                    }
                }
            }
        } catch {
            refuseBody(exchange, error)
        }
    }

    private func refuseBody(_ exchange: Exchange, _ error: any Error) {
        if exchange.route?.endpoint.isInference == true {
            server.recordRefusal(error)
        }
        complete(exchange, server.answer(to: error, on: exchange))
    }

    // MARK: Answers

    /// Compresses an answer if the client wants it.
    ///
    /// - Returns: whether it is not to be sent yet: it will be completed again.
    func compress(_ exchange: Exchange, _ response: HTTPResponse) -> Bool {
        guard let coding = exchange.head.answerCoding, !response.isCompressed,
            response.status == .ok, exchange.route?.endpoint.isCompressible == true,
            response.body.count >= Self.compressedByteCountMin
        else { return false }
        if response.body.count <= ServerLoop.inlineByteCountMax {
            completeNow(exchange, response.compressed(coding) ?? response)
        } else {
            loop.elsewhere(server, byteCount: response.body.count) {
                response.compressed(coding) ?? response
            } then: { result in
                if let response = try? result.get() { self.completeNow(exchange, response) }
            }
        }
        return true
    }
}

extension HTTPResponse {
    var isCompressed: Bool { headers.contains { $0.name == "Content-Encoding" } }

    /// The same with its body compressed; nil if there is no memory for that.
    fileprivate func compressed(_ coding: ContentCoding) -> HTTPResponse? {
        var answer = self
        answer.headers += [("Content-Encoding", coding.rawValue), ("Vary", "Accept-Encoding")]
        let packed: [UInt8]?
        switch body {
        case .bytes(let bytes):
            packed = try? bytes.withUnsafeBytes { try Deflater.deflated($0, coding) }
        case .buffer(let buffer):
            packed = buffer.withLock { buffer in
                try? buffer.withUnsafeReadableBytes { try Deflater.deflated($0, coding) }
            }
        }
        guard let packed else { return nil }
        answer.body = .bytes(packed)
        return answer
    }
}
