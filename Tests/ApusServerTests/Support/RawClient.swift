import Glibc
import NIOCore

/// An answer as it came over the wire.
struct RawResponse: Sendable, Equatable {
    var status: Int
    /// Names in lower case; the order of their arrival.
    var headers: [(name: String, value: String)]
    var body: [UInt8]
    /// The first line and the headers, as they came.
    var head: String

    var text: String { String(decoding: body, as: UTF8.self) }

    /// The value of a header that stands there exactly once.
    subscript(name: String) -> String? {
        let found = headers.filter { $0.name == name }
        return found.count == 1 ? found[0].value : nil
    }

    static func == (left: Self, right: Self) -> Bool {
        left.head == right.head && left.body == right.body
    }
}

/// A blocking client over one TCP connection that sends exactly the bytes it is given.
///
/// Nothing waits longer than two minutes, so that a server that says nothing fails the test.
final class RawClient {
    enum Failure: Error, Equatable {
        case cannotConnect(errno: Int32)
        case cannotSend(errno: Int32)
        /// The server closed the connection.
        case closed
        case reset
        case silence
        case malformed(String)
    }

    private let descriptor: Int32
    private var received: [UInt8] = []
    private var isOpen = true

    /// - Parameter receiveBufferByteCount: of the system, to make a client that takes little.
    init(port: Int, receiveBufferByteCount: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: 120, tv_usec: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(
            descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        if var size = receiveBufferByteCount {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(4))
        }
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: port)
        let result = address.withSockAddr { connect(descriptor, $0, socklen_t($1)) }
        guard result == 0 else { throw Failure.cannotConnect(errno: errno) }
    }

    deinit { disconnect() }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure.cannotSend(errno: errno) }
            sent += count
        }
    }

    /// Sends `bytes` again and again until the system takes no more for a while.
    ///
    /// - Returns: how many bytes it took, `byteCountMax` or a little more if it took all.
    func sendWithoutWaiting(_ bytes: [UInt8], upTo byteCountMax: Int) -> Int {
        var sent = 0
        var refusalCount = 0
        while sent < byteCountMax, refusalCount < 100 {
            let count = bytes[(sent % bytes.count)...].withUnsafeBytes {
                Glibc.send(
                    descriptor, $0.baseAddress, $0.count,
                    Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            }
            if count > 0 {
                sent += count
                refusalCount = 0
            } else {
                guard errno == EAGAIN else { break }
                refusalCount += 1
                usleep(2000)
            }
        }
        return sent
    }

    /// Says that nothing more comes, and goes on listening.
    func endInput() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Goes away.
    ///
    /// - Parameter withReset: as a client that crashed.
    func disconnect(withReset: Bool = false) {
        if withReset {
            var option = linger(l_onoff: 1, l_linger: 0)
            setsockopt(
                descriptor, SOL_SOCKET, SO_LINGER, &option,
                socklen_t(MemoryLayout<linger>.size))
        }
        if isOpen { close(descriptor) }
        isOpen = false
    }

    /// The next answer; 1xx is one, too.
    ///
    /// - Parameter hasBody: false for answers to HEAD.
    func readResponse(hasBody: Bool = true) throws -> RawResponse {
        let end = Array("\r\n\r\n".utf8)
        var headEnd = received.firstRange(of: end)
        while headEnd == nil {
            try receive()
            headEnd = received.firstRange(of: end)
        }
        guard let headEnd else { throw Failure.malformed("no head") }
        var response = try Self.parse(
            String(decoding: received[..<headEnd.lowerBound], as: UTF8.self))
        received.removeSubrange(..<headEnd.upperBound)
        guard hasBody, response.status >= 200 else { return response }
        guard let length = response["content-length"].flatMap({ Int($0) }) else {
            throw Failure.malformed("no Content-Length in \(response.head)")
        }
        while received.count < length { try receive() }
        response.body = Array(received[..<length])
        received.removeSubrange(..<length)
        return response
    }

    /// Sends a request and returns its answer.
    func exchange(_ request: String, hasBody: Bool = true) throws -> RawResponse {
        try send(request)
        return try readResponse(hasBody: hasBody)
    }

    /// Waits until the server closes.
    ///
    /// - Returns: what came before that and was not read.
    @discardableResult
    func readToEnd() throws -> [UInt8] {
        do {
            while true { try receive() }
        } catch Failure.closed {
            return received
        }
    }

    private func receive() throws {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count == 0 { throw Failure.closed }
        guard count > 0 else {
            throw errno == ECONNRESET ? Failure.reset : Failure.silence
        }
        received += buffer[..<count]
    }

    private static func parse(_ head: String) throws -> RawResponse {
        let lines = head.split(separator: "\r\n", omittingEmptySubsequences: false)
        let words = lines[0].split(separator: " ", maxSplits: 2)
        guard words.count == 3, words[0] == "HTTP/1.1", let status = Int(words[1]) else {
            throw Failure.malformed(head)
        }
        let headers = try lines.dropFirst().map { line in
            guard let colon = line.firstRange(of: ": ") else { throw Failure.malformed(head) }
            return (
                name: line[..<colon.lowerBound].lowercased(),
                value: String(line[colon.upperBound...])
            )
        }
        return RawResponse(status: status, headers: headers, body: [], head: head)
    }
}
