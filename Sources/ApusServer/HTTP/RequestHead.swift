import ApusWire
import NIOHTTP1

/// What the server needs to know of a request's head, found in one pass over its headers.
struct RequestHead {
    let method: HTTPMethod
    /// As in the first line.
    let target: String
    private(set) var isKeepAlive: Bool
    /// Whether the client speaks HTTP/1.0, where keeping alive must be said.
    let isOldVersion: Bool
    private(set) var contentLength: Int?
    private(set) var isChunked = false
    private(set) var expectsContinue = false
    private(set) var inferenceHeaderLength: String?
    /// How the body is compressed.
    private(set) var bodyCoding: ContentCoding?
    /// How the client wants the answer compressed.
    private(set) var answerCoding: ContentCoding?
    /// The client's own name for the request, from `X-Request-ID`: echoed, and in the access log.
    private(set) var requestID: String?
    /// What they say about who sent the request.
    private(set) var access = AccessHeaders()
    /// Headers that single dialects ask for.
    private(set) var named = NamedHeaders()
    /// What is wrong with the headers.
    private(set) var problem: HTTPProblem?

    init(_ head: HTTPRequestHead) {
        method = head.method
        target = head.uri
        isOldVersion = head.version.minor == 0
        var acceptEncoding: String?
        var isUpgrade = head.method == .CONNECT
        isKeepAlive = head.isKeepAlive
        for (name, value) in head.headers {
            // The length tells nearly all names apart.
            switch name.utf8.count {
            case 4 where name.equals("host"): access.noteHost(value)
            case 14 where name.equals("content-length"): contentLength = Int(value)
            case 17 where name.equals("transfer-encoding"):
                isChunked = true
                if !value.equals("chunked") { note(.unknownTransferEncoding(value)) }
            // HTTP/1.0 knows no expectations.
            case 6 where !isOldVersion && name.equals("expect"):
                expectsContinue = value.equals("100-continue")
                if !expectsContinue { note(.unknownExpectation) }
            case 16 where name.equals("content-encoding"):
                noteBodyCoding(value)
            case 15 where name.equals("accept-encoding"):
                acceptEncoding = acceptEncoding.map { "\($0),\(value)" } ?? value
            case 12 where name.equals("x-request-id"): requestID = Self.checkedID(value)
            case 31 where name.equals("inference-header-content-length"):
                if let inferenceHeaderLength, inferenceHeaderLength != value {
                    note(.malformed(reason: "two values of Inference-Header-Content-Length"))
                }
                inferenceHeaderLength = value
            case 7 where name.equals("upgrade"): isUpgrade = true
            default: if !access.note(name, value) { named.note(name, value) }
            }
        }
        if access.hostCount != 1, !(isOldVersion && access.hostCount == 0) {
            note(.malformed(reason: "expected exactly one Host"))
        }
        // HTTP/1.0 knows no chunks: who passed this on may have seen another body in it.
        if isOldVersion, isChunked {
            note(.malformed(reason: "HTTP/1.0 has no Transfer-Encoding"))
        }
        if let acceptEncoding { answerCoding = AcceptedCoding.chosen(from: acceptEncoding) }
        // The decoder stops behind a request that asks for an upgrade.
        if isUpgrade { isKeepAlive = false }
    }

    private mutating func noteBodyCoding(_ text: String) {
        if text.equals("identity") { return }
        if bodyCoding == nil {
            if text.equals("gzip") || text.equals("x-gzip") {
                bodyCoding = .gzip
                return
            }
            if text.equals("deflate") {
                bodyCoding = .deflate
                return
            }
        }
        note(.unknownContentEncoding(text))
    }

    /// The first thing that is wrong is what the client is told.
    private mutating func note(_ found: HTTPProblem) { problem = problem ?? found }

    /// The text, if it is one that may stand in a header and a log line.
    static func checkedID(_ text: String) -> String? {
        let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
        return isPlain && !text.isEmpty && text.utf8.count <= requestIDByteCountMax ? text : nil
    }

    private static let requestIDByteCountMax = 128

    /// Header lines of the request that its answer repeats.
    var echoedHeaders: [(name: String, value: String)] {
        requestID.map { [("X-Request-ID", $0)] } ?? []
    }

    /// Whether a browser asks for leave to send a page's request.
    var isPreflight: Bool { method == .OPTIONS && access.wantedMethod != nil }

    /// Whether a body follows the head.
    var hasBody: Bool { isChunked || (contentLength ?? 0) > 0 }
}

extension String {
    /// Whether the texts are equal but for the case of ASCII letters; `other` is in lower case.
    func equals(_ other: StaticString) -> Bool {
        let own = utf8
        guard own.count == other.utf8CodeUnitCount else { return false }
        var index = 0
        for byte in own {
            let isLetter = byte >= 0x41 && byte <= 0x5a
            if (isLetter ? byte | 0x20 : byte) != other.utf8Start[index] { return false }
            index += 1
        }
        return true
    }
}
