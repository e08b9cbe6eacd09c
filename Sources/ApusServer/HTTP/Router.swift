import Glibc
import NIOHTTP1

/// Finds the endpoint of a request target, over its bytes.
struct Router: Sendable {
    /// What a target means.
    struct Match {
        let endpoint: Endpoint
        /// Percent-decoded, not yet checked.
        let model: String?
        let version: String?
        /// Of something that is no model, percent-decoded.
        let name: String?
    }

    private let endpoints: [Endpoint]

    /// - Parameter role: of the port on which requests come.
    init(role: HTTPServerConfiguration.Listener.Role, dialects: DialectSettings) {
        let all = Endpoints.all + DialectRoutes.endpoints(dialects)
        endpoints = all.filter { endpoint in
            switch endpoint.ports {
            case .all: true
            case .inference: role != .metrics
            }
        }
    }

    /// - Parameter target: as in the request's first line, query included.
    func match(_ method: HTTPMethod, _ target: String) throws(HTTPProblem) -> Match {
        var target = target
        let result = target.withUTF8 { bytes in
            Result { () throws(HTTPProblem) in
                guard let segments = PathSegments(bytes) else { throw .routeNotFound }
                return try match(method, bytes, segments)
            }
        }
        return try result.get()
    }

    private func match(
        _ method: HTTPMethod, _ bytes: UnsafeBufferPointer<UInt8>,
        _ segments: PathSegments
    ) throws(HTTPProblem) -> Match {
        var allowed: [String] = []
        for endpoint in endpoints where Self.fits(endpoint, bytes, segments) {
            guard endpoint.method.answers(method) else {
                if !allowed.contains(endpoint.method.allowed) {
                    allowed.append(endpoint.method.allowed)
                }
                continue
            }
            var model: String?
            var version: String?
            var name: String?
            for (index, segment) in endpoint.segments.enumerated() {
                switch segment {
                case .literal: break
                case .parameter(let parameter, let suffix):
                    let text = try Self.decoded(bytes, segments[index].dropLast(suffix.count))
                    switch parameter {
                    case .model: model = text
                    case .version, .alias: version = text
                    case .name: name = text
                    case .repository: break
                    }
                }
            }
            return Match(endpoint: endpoint, model: model, version: version, name: name)
        }
        throw allowed.isEmpty
            ? .routeNotFound : .methodNotAllowed(allowed: allowed.joined(separator: ", "))
    }

    private static func fits(
        _ endpoint: Endpoint, _ bytes: UnsafeBufferPointer<UInt8>,
        _ segments: PathSegments
    ) -> Bool {
        guard
            endpoint.segments.count == segments.count
                || endpoint.isPrefix && endpoint.segments.count < segments.count
        else { return false }
        for (index, segment) in endpoint.segments.enumerated() {
            let range = segments[index]
            switch segment {
            case .literal(let text):
                guard text.count == range.count, let start = bytes.baseAddress,
                    memcmp(start + range.lowerBound, text, text.count) == 0
                else { return false }
            case .parameter(let parameter, let suffix):
                guard range.count > suffix.count,
                    bytes[range].suffix(suffix.count).elementsEqual(suffix)
                else { return false }
                guard parameter == .version else { continue }
                for byte in bytes[range].dropLast(suffix.count) where byte < 0x30 || byte > 0x39 {
                    return false
                }
            }
        }
        return true
    }

    /// A part of the path with its percent-escapes resolved.
    private static func decoded(
        _ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>
    ) throws(HTTPProblem) -> String {
        let part = UnsafeBufferPointer(rebasing: bytes[range])
        guard part.contains(UInt8(ascii: "%")) else { return String(decoding: part, as: UTF8.self) }
        var text: [UInt8] = []
        text.reserveCapacity(part.count)
        var index = 0
        while index < part.count {
            if part[index] == UInt8(ascii: "%") {
                guard index + 2 < part.count, let high = hexadecimal(part[index + 1]),
                    let low = hexadecimal(part[index + 2])
                else { throw .malformed(reason: "an incomplete percent-escape in the path") }
                text.append(high << 4 | low)
                index += 3
            } else {
                text.append(part[index])
                index += 1
            }
        }
        guard let decoded = String(validating: text, as: UTF8.self) else {
            throw .malformed(reason: "the percent-escapes in the path are not UTF-8")
        }
        return decoded
    }

    private static func hexadecimal(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x41...0x46: digit - 0x41 + 10
        case 0x61...0x66: digit - 0x61 + 10
        default: nil
        }
    }
}

/// The parts between the slashes of a path, as ranges of its bytes.
private struct PathSegments {
    /// No route has more.
    private static let countMax = 12

    private var ranges = InlineArray<12, Range<Int>>(repeating: 0..<0)
    private(set) var count = 0

    /// - Returns: nil if there are more parts than in any route, or an empty one (so that a
    ///   trailing slash is no match).
    init?(_ bytes: UnsafeBufferPointer<UInt8>) {
        var index = Self.pathStart(bytes)
        guard index < bytes.count, bytes[index] == UInt8(ascii: "/") else { return nil }
        index += 1
        var start = index
        if Self.isEnd(bytes, index) { return }  // The root.
        while true {
            let isEnd = Self.isEnd(bytes, index)
            if isEnd || bytes[index] == UInt8(ascii: "/") {
                guard index > start, count < Self.countMax else { return nil }
                ranges[count] = start..<index
                count += 1
                start = index + 1
            }
            if isEnd { return }
            index += 1
        }
    }

    subscript(index: Int) -> Range<Int> { ranges[index] }

    private static func isEnd(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int) -> Bool {
        index == bytes.count || bytes[index] == UInt8(ascii: "?")
            || bytes[index] == UInt8(ascii: "#")
    }

    /// Where the path starts: behind scheme and authority of a target in absolute form.
    private static func pathStart(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        let scheme: StaticString = "http://"
        guard bytes.count > scheme.utf8CodeUnitCount, bytes[0] == UInt8(ascii: "h"),
            let start = bytes.baseAddress,
            memcmp(start, scheme.utf8Start, scheme.utf8CodeUnitCount) == 0
        else { return 0 }
        var index = scheme.utf8CodeUnitCount
        while index < bytes.count, bytes[index] != UInt8(ascii: "/") { index += 1 }
        return index
    }
}

extension Endpoint.Method {
    /// HEAD is answered wherever GET is.
    fileprivate func answers(_ method: HTTPMethod) -> Bool {
        switch self {
        case .get: method == .GET || method == .HEAD
        case .post: method == .POST
        case .put: method == .PUT
        case .delete: method == .DELETE
        case .options: method == .OPTIONS
        }
    }

    fileprivate var allowed: String { self == .get ? "GET, HEAD" : rawValue }
}
