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
    }

    enum Body: Sendable {
        case bytes([UInt8])
        /// Written in place, with at least `HTTP1ResponseWriter.headRoom(headers)` bytes free before it.
        case buffer(ByteBuffer)

        var count: Int {
            switch self {
            case .bytes(let bytes): bytes.count
            case .buffer(let buffer): buffer.readableBytes
            }
        }
    }

    var status: HTTPStatus
    var contentType = ContentType.json
    /// For `Inference-Header-Content-Length`.
    var inferenceHeaderByteCount: Int?
    var headers: [(name: String, value: String)] = []
    var body: Body

    init(_ status: HTTPStatus, _ body: Body) {
        self.status = status
        self.body = body
    }

    static func json(_ bytes: [UInt8]) -> HTTPResponse { HTTPResponse(.ok, .bytes(bytes)) }

    /// Success with nothing to say.
    static var empty: HTTPResponse { HTTPResponse(.ok, .bytes([])) }

    /// The answer to an error of any layer: status from the table, body `{"error": …}`.
    static func error(_ error: any Error) -> HTTPResponse {
        switch error {
        case let problem as HTTPProblem:
            var response = HTTPResponse(
                problem.status, .bytes(ErrorDocument.json(problem.message)))
            response.headers = problem.headers
            return response
        case let error as any ServingError:
            let row = StatusTable.row(error.kind)
            var response = HTTPResponse(row.http, .bytes(ErrorDocument.json(error.message)))
            if row.http == .serviceUnavailable {
                response.headers = [("Retry-After", "\(error.retryAfterSeconds ?? 1)")]
            }
            return response
        default:
            // What is no error of ours may say things that are none of the client's business.
            return HTTPResponse(
                StatusTable.row(.internal).http,
                .bytes(ErrorDocument.json("internal error: the server's log has the details")))
        }
    }
}
