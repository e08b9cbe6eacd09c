import ApusCore
import NIOCore
import Testing

@testable import ApusServer

/// The bytes of answers.
@Suite struct ResponseWriterTests {
    private let writer = HTTP1ResponseWriter(
        allocator: ByteBufferAllocator(), date: Array("Thu, 01 Jan 1970 00:00:00 GMT".utf8))

    private func address(_ buffer: ByteBuffer) -> UInt {
        buffer.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) }
    }

    @Test func aBodyIsNotCopiedToGetItsHead() throws {
        let body = [UInt8](repeating: 7, count: 100_000)
        let room = HTTP1ResponseWriter.headRoom()
        var buffer = writer.allocator.buffer(capacity: room + body.count)
        buffer.moveWriterIndex(to: room)
        buffer.moveReaderIndex(to: room)
        buffer.writeBytes(body)
        let before = address(buffer)
        let response = HTTPResponse(.ok, .buffer(Guarded(buffer)))
        buffer = ByteBuffer()
        let other = response
        var sent = writer.bytes(of: response, .keepAlive, hasBody: true)
        let headByteCount = sent.readableBytes - body.count
        #expect(address(sent) + UInt(headByteCount) == before)
        let head = sent.readString(length: headByteCount)
        #expect(head?.hasPrefix("HTTP/1.1 200 OK\r\n") == true)
        #expect(head?.contains("Content-Length: 100000\r\n") == true)
        #expect(Array(sent.readableBytesView) == body)
        #expect(other.body.count == 0, "it was taken")
    }

    @Test func aLargeBodyIsMadeReadyBeforeItIsSent() throws {
        let body = [UInt8](repeating: 7, count: 100_000)
        let headers = [("X-Long", String(repeating: "x", count: 1000))]
        var response = HTTPResponse.json(body).readyToSend(adding: headers, writer.allocator)
        response.headers += headers
        guard case .buffer(let held) = response.body else {
            Issue.record("it is still an array")
            return
        }
        let before = held.withLock { address($0) }
        var sent = writer.bytes(of: response, .keepAlive, hasBody: true)
        let headByteCount = sent.readableBytes - body.count
        #expect(address(sent) + UInt(headByteCount) == before, "it was copied")
        sent.moveReaderIndex(forwardBy: headByteCount)
        #expect(Array(sent.readableBytesView) == body)
    }

    @Test func theAnswerToHeadHasTheHeadersOfGet() {
        let response = HTTPResponse.json(Array("{}".utf8))
        let sent = writer.bytes(of: response, .close, hasBody: false)
        let text = String(buffer: sent)
        #expect(text.contains("Content-Length: 2\r\n") && text.hasSuffix("\r\n\r\n"))
    }
}
