import NIOHTTP1

/// What the server needs to know of a request's head, found in one pass over its headers.
struct RequestHead {
    let method: HTTPMethod
    /// As in the first line.
    let target: String
    let isKeepAlive: Bool
    /// Whether the client speaks HTTP/1.0, where keeping alive must be said.
    let isOldVersion: Bool
    private(set) var contentLength: Int?
    private(set) var isChunked = false
    private(set) var expectsContinue = false
    private(set) var inferenceHeaderLength: String?
    /// What is wrong with the headers.
    private(set) var problem: HTTPProblem?

    init(_ head: HTTPRequestHead) {
        method = head.method
        target = head.uri
        isOldVersion = head.version.minor == 0
        var isUpgrade = head.method == .CONNECT
        var keepAlive = head.isKeepAlive
        for (name, value) in head.headers {
            // The length tells nearly all names apart.
            switch name.utf8.count {
            case 14 where name.equals("content-length"): contentLength = Int(value)
            case 17 where name.equals("transfer-encoding"):
                isChunked = true
                if !value.equals("chunked") { problem = .unknownTransferEncoding(value) }
            case 6 where name.equals("expect"):
                expectsContinue = value.equals("100-continue")
                if !expectsContinue { problem = .unknownExpectation }
            case 16 where name.equals("content-encoding"):
                if !value.equals("identity") { problem = .unknownContentEncoding(value) }
            case 31 where name.equals("inference-header-content-length"):
                inferenceHeaderLength = value
            case 7 where name.equals("upgrade"): isUpgrade = true
            default: break
            }
        }
        // The decoder stops behind a request that asks for an upgrade.
        if isUpgrade { keepAlive = false }
        isKeepAlive = keepAlive
    }

    /// Whether a body follows the head.
    var hasBody: Bool { isChunked || (contentLength ?? 0) > 0 }
}

extension String {
    /// Whether the texts are equal but for the case of ASCII letters; `other` is in lower case.
    fileprivate func equals(_ other: StaticString) -> Bool {
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
