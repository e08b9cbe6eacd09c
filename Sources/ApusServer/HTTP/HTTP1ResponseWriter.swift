import ApusMetrics
import Glibc
import NIOCore

/// Makes the bytes of an answer, head and body, in one buffer.
///
/// - Source: RFC 9112, section 2.
struct HTTP1ResponseWriter {
    /// Room for the head before a body that is written in place, if these lines are added to it.
    static func headRoom(_ headers: [(name: String, value: String)] = []) -> Int {
        headers.reduce(fixedHeadRoom) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 }
    }

    /// Enough for every line that is always there.
    private static let fixedHeadRoom = 384

    let allocator: ByteBufferAllocator
    /// The value of `Date`.
    var date: [UInt8]

    /// How the connection goes on behind an answer.
    enum Connection {
        case keepAlive
        /// Kept alive, which HTTP/1.0 must be told.
        case keepAliveOldVersion
        case close
    }

    /// - Parameters:
    ///   - response: its body is taken.
    ///   - hasBody: false for answers to HEAD, whose headers are those of GET.
    func bytes(
        of response: HTTPResponse, _ connection: Connection, hasBody: Bool
    ) -> ByteBuffer {
        let headRoom = Self.headRoom(response.headers)
        guard var body = response.takeBuffer() else {
            guard case .bytes(let bytes) = response.body else { return ByteBuffer() }
            let sent = hasBody ? bytes : []
            return joined(response, bytes.count, connection, sent, headRoom)
        }
        let bodyByteCount = body.readableBytes
        guard body.readerIndex >= headRoom else {
            let bytes = Array(body.readableBytesView)
            return joined(response, bodyByteCount, connection, bytes, headRoom)
        }
        withUnsafeTemporaryAllocation(byteCount: headRoom, alignment: 1) { memory in
            let count = writeHead(of: response, bodyByteCount, connection, to: memory)
            let start = body.readerIndex - count
            precondition(start >= 0, "there is no room for the head before the body")
            body.setBytes(UnsafeRawBufferPointer(rebasing: memory[..<count]), at: start)
            body.moveReaderIndex(to: start)
        }
        return body
    }

    private func joined(
        _ response: HTTPResponse, _ bodyByteCount: Int, _ connection: Connection, _ body: [UInt8],
        _ headRoom: Int
    ) -> ByteBuffer {
        var buffer = allocator.buffer(capacity: headRoom + body.count)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: headRoom) {
            writeHead(of: response, bodyByteCount, connection, to: $0)
        }
        buffer.writeBytes(body)
        return buffer
    }

    private func writeHead(
        of response: HTTPResponse, _ bodyByteCount: Int, _ connection: Connection,
        to memory: UnsafeMutableRawBufferPointer
    ) -> Int {
        var head = HeadCursor(memory)
        head.literal(response.status.line)
        switch response.contentType {
        case .json: head.literal("Content-Type: application/json\r\nContent-Length: ")
        case .octetStream:
            head.literal("Content-Type: application/octet-stream\r\nContent-Length: ")
        case .html:
            head.literal("Content-Type: text/html; charset=utf-8\r\nContent-Length: ")
        case .eventStream:
            head.literal("Content-Type: text/event-stream; charset=utf-8\r\nContent-Length: ")
        case .text: head.literal("Content-Type: text/plain\r\nContent-Length: ")
        case .csv: head.literal("Content-Type: text/csv\r\nContent-Length: ")
        case .jsonLines:
            head.literal("Content-Type: application/jsonlines\r\nContent-Length: ")
        case .numpy: head.literal("Content-Type: application/x-npy\r\nContent-Length: ")
        case .triton(let count):
            head.literal(
                "Content-Type: application/vnd.sagemaker-triton.binary+json;json-header-size=")
            head.number(count)
            head.literal("\r\nContent-Length: ")
        case .metrics:
            head.literal(
                "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: ")
        }
        head.number(bodyByteCount)
        if let count = response.inferenceHeaderByteCount {
            head.literal("\r\nInference-Header-Content-Length: ")
            head.number(count)
        }
        head.literal("\r\nDate: ")
        head.bytes(date)
        head.literal("\r\n")
        for (name, value) in response.headers { head.line(name, value) }
        switch connection {
        case .keepAlive: break
        case .keepAliveOldVersion: head.literal("Connection: keep-alive\r\n")
        case .close: head.literal("Connection: close\r\n")
        }
        head.literal("\r\n")
        return head.count
    }
}

/// Writes header lines into memory that is large enough.
private struct HeadCursor {
    private let memory: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    init(_ memory: UnsafeMutableRawBufferPointer) { self.memory = memory }

    mutating func literal(_ text: StaticString) {
        copy(UnsafeRawPointer(text.utf8Start), text.utf8CodeUnitCount)
    }

    mutating func bytes(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { source in
            if let start = source.baseAddress { copy(start, source.count) }
        }
    }

    mutating func line(_ name: String, _ value: String) {
        bytes(Array(name.utf8))
        literal(": ")
        // A value that came from a request must not become a line of its own.
        bytes(value.utf8.filter { $0 >= 0x20 && $0 != 0x7f })
        literal("\r\n")
    }

    mutating func number(_ value: Int) {
        var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
        withUnsafeMutableBytes(of: &digits) { buffer in
            var rest = value
            var start = buffer.count
            repeat {
                start -= 1
                buffer[start] = UInt8(0x30 + rest % 10)
                rest /= 10
            } while rest > 0
            if let base = buffer.baseAddress { copy(base + start, buffer.count - start) }
        }
    }

    private mutating func copy(_ source: UnsafeRawPointer, _ byteCount: Int) {
        precondition(byteCount <= memory.count - count, "the response's head is too long")
        if let target = memory.baseAddress { memcpy(target + count, source, byteCount) }
        count += byteCount
    }
}
