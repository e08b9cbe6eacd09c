import ApusCore
import ApusWire
import NIOCore

/// An answer before it is lines and bytes.
struct HTTPResponse: Sendable {
    enum ContentType: Sendable {
        case json
        case octetStream
        case metrics
        case html
        case eventStream
        case text
        case csv
        case jsonLines
        case numpy
        /// SageMaker's word for a body of the Open Inference Protocol with binary parts.
        case triton(headerByteCount: Int)
    }

    enum Body: Sendable {
        case bytes([UInt8])
        /// Written in place, with at least `HTTP1ResponseWriter.headRoom(headers)` bytes free before it.
        /// Copies of the answer share it, so that it is never copied to be written to.
        case buffer(Guarded<ByteBuffer>)

        var count: Int {
            switch self {
            case .bytes(let bytes): bytes.count
            case .buffer(let buffer): buffer.withLock { $0.readableBytes }
            }
        }
    }

    var status: HTTPStatus
    var contentType = ContentType.json
    /// For `Inference-Header-Content-Length`.
    var inferenceHeaderByteCount: Int?
    var headers: [(name: String, value: String)] = []
    var body: Body
    /// Counts the memory of a long body.
    var memory: MemoryReservation?

    /// Takes the body out, so that it has one owner and can be written to; nil if it is an array.
    func takeBuffer() -> ByteBuffer? {
        guard case .buffer(let held) = body else { return nil }
        return held.withLock { buffer in
            defer { buffer = ByteBuffer() }
            return buffer
        }
    }

    /// The same with a large body in memory that has room for the head before it, so that whoever sends it
    /// copies nothing.
    ///
    /// - Parameter headers: will be sent beside its own.
    func readyToSend(
        adding headers: [(name: String, value: String)], _ allocator: ByteBufferAllocator
    ) -> HTTPResponse {
        guard case .bytes(let bytes) = body, bytes.count > ServerLoop.inlineByteCountMax else {
            return self
        }
        let headRoom = HTTP1ResponseWriter.headRoom(self.headers + headers)
        var buffer = allocator.buffer(capacity: headRoom + bytes.count)
        buffer.moveWriterIndex(to: headRoom)
        buffer.moveReaderIndex(to: headRoom)
        buffer.writeBytes(bytes)
        var response = self
        response.body = .buffer(Guarded(buffer))
        return response
    }

    init(_ status: HTTPStatus, _ body: Body) {
        self.status = status
        self.body = body
    }

    static func json(_ bytes: [UInt8]) -> HTTPResponse { HTTPResponse(.ok, .bytes(bytes)) }

    /// Success with nothing to say.
    static var empty: HTTPResponse { HTTPResponse(.ok, .bytes([])) }

    /// The answer to an error of any layer: status from the table, body `{"error": …}` unless a
    /// dialect says otherwise.
    ///
    /// - Parameters:
    ///   - column: of the status table.
    ///   - words: the message; nil = the error's own.
    static func error(
        _ error: any Error, column: KeyPath<StatusTable.Row, HTTPStatus> = \.http,
        words: String? = nil,
        body: (HTTPStatus, String) -> [UInt8] = { ErrorDocument.json($1) }
    ) -> HTTPResponse {
        switch error {
        case let problem as HTTPProblem:
            var response = HTTPResponse(
                problem.status, .bytes(body(problem.status, words ?? problem.message)))
            response.headers = problem.headers
            return response
        case let error as any ServingError:
            let status = StatusTable.row(error.kind)[keyPath: column]
            var response = HTTPResponse(status, .bytes(body(status, words ?? error.message)))
            if status == .serviceUnavailable {
                response.headers = [("Retry-After", "\(error.retryAfterSeconds ?? 1)")]
            }
            return response
        default:
            // What is no error of ours may say things that are none of the client's business.
            let status = StatusTable.row(.internal)[keyPath: column]
            let message = words ?? "internal error: the server's log has the details"
            return HTTPResponse(status, .bytes(body(status, message)))
        }
    }
}
