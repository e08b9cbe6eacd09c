import ApusCore

/// Every status code of every protocol, and what stands for which error: the only place with codes.
enum StatusTable {
    /// What clients see of an error kind.
    struct Row {
        let kind: ErrorKind
        let http: HTTPStatus
        let grpc: GRPCCode
        /// What TensorFlow Serving's HTTP front makes of the gRPC code.
        let tensorFlow: HTTPStatus
    }

    static let rows: [Row] = [
        Row(
            kind: .invalidArgument, http: .badRequest, grpc: .invalidArgument,
            tensorFlow: .badRequest),
        Row(
            kind: .notFound, http: .notFound, grpc: .notFound, tensorFlow: .notFound),
        Row(
            kind: .unavailable, http: .serviceUnavailable, grpc: .unavailable,
            tensorFlow: .serviceUnavailable),
        Row(
            kind: .resourceExhausted, http: .contentTooLarge, grpc: .resourceExhausted,
            tensorFlow: .tooManyRequests),
        Row(
            kind: .permissionDenied, http: .forbidden, grpc: .permissionDenied,
            tensorFlow: .forbidden),
        // Triton's clients know no 504: a request that timed out was not served.
        Row(
            kind: .deadlineExceeded, http: .serviceUnavailable, grpc: .deadlineExceeded,
            tensorFlow: .gatewayTimeout),
        Row(
            kind: .unsupported, http: .notOffered, grpc: .unimplemented, tensorFlow: .notOffered),
        Row(
            kind: .cancelled, http: .badRequest, grpc: .cancelled, tensorFlow: .clientClosedRequest),
        Row(
            kind: .internal, http: .internalError, grpc: .internal, tensorFlow: .internalError),
    ]

    static func row(_ kind: ErrorKind) -> Row {
        guard let row = rows.first(where: { $0.kind == kind }) else {
            preconditionFailure("the error kind \(kind) has no row in the status table")
        }
        return row
    }

    /// Whether a code of gRPC stands for what HTTP says with a code of 500 or more.
    static func isOurs(_ code: GRPCCode) -> Bool {
        rows.contains { $0.grpc == code && $0.http.code >= 500 }
    }
}

/// A status of HTTP with the words of its first line.
///
/// - Source: RFC 9110, section 15.
struct HTTPStatus: Equatable, Sendable {
    let code: Int
    let line: StaticString

    static func == (left: Self, right: Self) -> Bool { left.code == right.code }

    static let ok = HTTPStatus(code: 200, line: "HTTP/1.1 200 OK\r\n")
    static let accepted = HTTPStatus(code: 202, line: "HTTP/1.1 202 Accepted\r\n")
    static let badRequest = HTTPStatus(code: 400, line: "HTTP/1.1 400 Bad Request\r\n")
    static let forbidden = HTTPStatus(code: 403, line: "HTTP/1.1 403 Forbidden\r\n")
    static let notFound = HTTPStatus(code: 404, line: "HTTP/1.1 404 Not Found\r\n")
    static let methodNotAllowed = HTTPStatus(
        code: 405, line: "HTTP/1.1 405 Method Not Allowed\r\n")
    static let requestTimeout = HTTPStatus(code: 408, line: "HTTP/1.1 408 Request Timeout\r\n")
    static let conflict = HTTPStatus(code: 409, line: "HTTP/1.1 409 Conflict\r\n")
    static let contentTooLarge = HTTPStatus(code: 413, line: "HTTP/1.1 413 Content Too Large\r\n")
    static let unsupportedMediaType = HTTPStatus(
        code: 415, line: "HTTP/1.1 415 Unsupported Media Type\r\n")
    static let expectationFailed = HTTPStatus(
        code: 417, line: "HTTP/1.1 417 Expectation Failed\r\n")
    static let failedDependency = HTTPStatus(
        code: 424, line: "HTTP/1.1 424 Failed Dependency\r\n")
    static let tooManyRequests = HTTPStatus(code: 429, line: "HTTP/1.1 429 Too Many Requests\r\n")
    static let headersTooLarge = HTTPStatus(
        code: 431, line: "HTTP/1.1 431 Request Header Fields Too Large\r\n")
    static let internalError = HTTPStatus(
        code: 500, line: "HTTP/1.1 500 Internal Server Error\r\n")
    static let notOffered = HTTPStatus(code: 501, line: "HTTP/1.1 501 Not Implemented\r\n")
    static let serviceUnavailable = HTTPStatus(
        code: 503, line: "HTTP/1.1 503 Service Unavailable\r\n")
    static let gatewayTimeout = HTTPStatus(code: 504, line: "HTTP/1.1 504 Gateway Timeout\r\n")
    static let insufficientStorage = HTTPStatus(
        code: 507, line: "HTTP/1.1 507 Insufficient Storage\r\n")
    static let versionNotSupported = HTTPStatus(
        code: 505, line: "HTTP/1.1 505 HTTP Version Not Supported\r\n")

    /// The client went before its answer came: counted and logged.
    static let clientClosedRequest = HTTPStatus(
        code: 499, line: "HTTP/1.1 499 Client Closed Request\r\n")

    /// The answer to `Expect: 100-continue`, whole.
    static let continueLines: StaticString = "HTTP/1.1 100 Continue\r\n\r\n"
}

/// What only HTTP can get wrong.
enum HTTPProblem: Error, Equatable {
    case malformed(reason: String)
    case routeNotFound
    case methodNotAllowed(allowed: String)
    case requestTimeout
    case bodyTooLarge(byteCountMax: Int)
    case headersTooLarge
    case unknownVersion
    case unknownExpectation
    case unknownContentEncoding(String)
    case unknownContentType(String, expected: String)
    case unknownTransferEncoding(String)
    /// All bodies together take as much memory as they may.
    case bodyMemoryExhausted
    /// So do all answers that clients do not take.
    case answerMemoryExhausted
    case forbidden(AccessProblem)

    var status: HTTPStatus {
        switch self {
        case .malformed: .badRequest
        case .routeNotFound: .notFound
        case .methodNotAllowed: .methodNotAllowed
        case .requestTimeout: .requestTimeout
        case .bodyTooLarge: .contentTooLarge
        case .headersTooLarge: .headersTooLarge
        case .unknownVersion: .versionNotSupported
        case .unknownExpectation: .expectationFailed
        case .unknownContentEncoding, .unknownContentType: .unsupportedMediaType
        case .unknownTransferEncoding: .notOffered
        case .bodyMemoryExhausted, .answerMemoryExhausted: .serviceUnavailable
        case .forbidden: .forbidden
        }
    }

    var message: String {
        switch self {
        case .malformed(let reason): "malformed HTTP request: \(reason)"
        case .routeNotFound: "Not Found"
        case .methodNotAllowed: "Method Not Allowed"
        case .requestTimeout: "the request did not arrive in time"
        case .bodyTooLarge(let byteCountMax):
            "the body is larger than this server's limit of \(byteCountMax) bytes"
        case .headersTooLarge: "the request's headers are too large or too many"
        case .unknownVersion: "expected HTTP/1.1 or HTTP/1.0"
        case .unknownExpectation: "expected no other expectation than 100-continue"
        case .unknownContentEncoding(let found):
            "Content-Encoding \"\(found)\" is not offered, expected \"gzip\", \"deflate\" or \"identity\""
        case .unknownContentType(let found, let expected):
            "Content-Type \"\(found.prefix(100))\" is not supported, expected \(expected)"
        case .unknownTransferEncoding(let found):
            "Transfer-Encoding \"\(found)\" is not offered, expected \"chunked\""
        case .bodyMemoryExhausted:
            "the bodies of requests in work take all memory for bodies, of this client or of all"
        case .answerMemoryExhausted:
            "answers that are not taken use all memory for bodies, of this client or of all"
        case .forbidden(let problem): problem.message
        }
    }

    /// Header lines that belong to the answer.
    var headers: [(name: String, value: String)] {
        switch self {
        case .methodNotAllowed(let allowed): [("Allow", allowed)]
        case .unknownContentEncoding: [("Accept-Encoding", "gzip, deflate")]
        case .bodyMemoryExhausted, .answerMemoryExhausted: [("Retry-After", "1")]
        default: []
        }
    }
}

/// A status code of gRPC.
///
/// - Source: gRPC, "Status codes and their use in gRPC".
enum GRPCCode: Int, Sendable {
    case ok = 0
    case cancelled = 1
    case unknown = 2
    case invalidArgument = 3
    case deadlineExceeded = 4
    case notFound = 5
    case alreadyExists = 6
    case permissionDenied = 7
    case resourceExhausted = 8
    case unimplemented = 12
    case `internal` = 13
    case unavailable = 14

    var name: String {
        switch self {
        case .ok: "OK"
        case .cancelled: "CANCELLED"
        case .unknown: "UNKNOWN"
        case .invalidArgument: "INVALID_ARGUMENT"
        case .deadlineExceeded: "DEADLINE_EXCEEDED"
        case .notFound: "NOT_FOUND"
        case .alreadyExists: "ALREADY_EXISTS"
        case .permissionDenied: "PERMISSION_DENIED"
        case .resourceExhausted: "RESOURCE_EXHAUSTED"
        case .unimplemented: "UNIMPLEMENTED"
        case .internal: "INTERNAL"
        case .unavailable: "UNAVAILABLE"
        }
    }
}

/// What only gRPC can get wrong.
enum GRPCProblem: Error, Equatable {
    case unknownMethod(String)
    case invalidTimeout(String)
    case unknownEncoding(String)
    /// A message is said to be compressed without a word about how.
    case encodingMissing
    case malformedFrame(reason: String)
    case messageTooLarge(byteCountMax: Int)
    /// All bodies together take as much memory as they may.
    case messageMemoryExhausted
    /// So do all answers that clients do not take.
    case answerMemoryExhausted
    case responseTooLarge(byteCount: Int)
    /// A method with one request got none or several.
    case messageCount
    case requestTimeout
    case deadlinePassed

    var code: GRPCCode {
        switch self {
        case .unknownMethod, .unknownEncoding, .messageCount: .unimplemented
        case .invalidTimeout: .invalidArgument
        case .encodingMissing, .malformedFrame: .internal
        case .messageTooLarge, .responseTooLarge, .answerMemoryExhausted: .resourceExhausted
        case .messageMemoryExhausted: .unavailable
        case .requestTimeout, .deadlinePassed: .deadlineExceeded
        }
    }

    var message: String {
        switch self {
        case .unknownMethod(let path): "unknown method \(path.prefix(200))"
        case .invalidTimeout(let found):
            "grpc-timeout is \"\(found.prefix(40))\", expected up to 8 digits and one of H M S m u n"
        case .unknownEncoding(let found):
            "grpc-encoding \"\(found.prefix(40))\" is not offered, expected identity, gzip or deflate"
        case .encodingMissing: "a message is compressed, but there is no grpc-encoding"
        case .malformedFrame(let reason): "malformed message: \(reason)"
        case .messageTooLarge(let byteCountMax):
            "the message is larger than this server's limit of \(byteCountMax) bytes"
        case .messageMemoryExhausted:
            "the bodies of requests in work take all memory for bodies, of this client or of all"
        case .answerMemoryExhausted:
            "answers that are not taken use all memory for bodies, of this client or of all"
        case .responseTooLarge(let byteCount):
            "the answer has \(byteCount) bytes, more than a message can carry"
        case .messageCount: "expected exactly one request message"
        case .requestTimeout: "the request did not arrive in time"
        case .deadlinePassed: "the deadline passed before the answer came"
        }
    }
}
