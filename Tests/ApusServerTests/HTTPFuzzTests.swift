import ApusMetrics
import ApusServer
import ApusTestSupport
import Glibc
import NIOCore
import Testing

/// Feeds mutations of good byte streams to a connection, cut anywhere: it must answer with whole,
/// well-formed answers or close, and do nothing else. `APUS_FUZZ_COUNT` sets the number of streams.
@Suite struct HTTPFuzzTests {
    private var count: Int {
        getenv("APUS_FUZZ_COUNT").flatMap { Int(String(cString: $0)) } ?? 2000
    }

    private static let corpus: [[UInt8]] = streams.map { Array($0.utf8) }

    private static let streams: [String] = [
        infer("double") + request("GET", "/livez"),
        infer("text", "[\"a\"]", headers: ["X-Request-ID: a"]),
        infer("fails", headers: ["Connection: close"]) + infer("double"),
        request("GET", "/v2/models/double/versions/3/config"),
        request("HEAD", "/v2/health/ready") + request("GET", "/v2/models/stats"),
        request("POST", "/v2/repository/nobody/index", body: "{}"),
        "POST /v2/models/%64ouble/infer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "5\r\n{\"inp\r\n8;a=b\r\nuts\":[]}\r\n0\r\nTrailer: a\r\n\r\n",
        "POST /v2/models/double/infer HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
            + "Inference-Header-Content-Length: 97\r\nContent-Length: 105\r\n\r\n"
            + #"{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","#
            + #""parameters":{"binary_data_size":8}}]}"# + "\0\0\0\0\0\0\0\0",
        "GET http://h/livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\nPRI * HTTP/2.0",
    ]

    @Test func mutatedStreamsAreAnsweredOrClosed() throws {
        var random = SeededRandom(seed: 11)
        let catalogue = try FakeCatalogue(FakeCatalogue.standard().filter { $0.isImmediate })
        let metrics = Metrics(version: "1.2.3", collectsProcess: false)
        var successCount = 0
        for run in 0..<count {
            let stream = random.mutation(of: Self.corpus)
            let connection = try EmbeddedConnection(catalogue, metrics: metrics) { configuration in
                configuration.bodyByteCountMax = 4096
                configuration.headerByteCountMax = 4096
                configuration.headerCountMax = 16
                configuration.pipelinedRequestCountMax = 2
            }
            var rest = stream[...]
            while !rest.isEmpty, connection.isOpen {
                let part = rest.prefix(Int.random(in: 1...rest.count, using: &random))
                try connection.receive(Array(part))
                rest = rest.dropFirst(part.count)
            }
            if run % 16 == 0 { connection.advance(seconds: 400) } else { connection.disconnect() }
            let sent = try connection.sentBytes()
            let statuses = Self.statuses(of: sent)
            #expect(statuses != nil, "\(String(decoding: stream, as: UTF8.self))")
            if statuses?.contains(200) == true { successCount += 1 }
            #expect(!connection.isOpen)
            catalogue.forgetRequests()
        }
        // A mutator whose every stream is refused at once would test little.
        #expect(successCount > count / 10)
    }

    /// The statuses of a sequence of whole answers; nil if it is none.
    private static func statuses(of bytes: [UInt8]) -> [Int]? {
        var statuses: [Int] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            guard let end = rest.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
            let head = String(decoding: rest[..<end.lowerBound], as: UTF8.self)
            guard head.hasPrefix("HTTP/1.1 "), let status = Int(head.dropFirst(9).prefix(3)) else {
                return nil
            }
            statuses.append(status)
            rest = rest[end.upperBound...]
            guard status >= 200 else { continue }
            let lines = head.split(separator: "\r\n")
            let lengths = lines.filter { $0.hasPrefix("Content-Length: ") }
            guard lengths.count == 1, let length = Int(lengths[0].dropFirst(16)) else {
                return nil
            }
            let body = rest.prefix(length)
            // Only answers to HEAD have no body; the next answer, or nothing, follows at once.
            if body.starts(with: Array("HTTP/1.1 ".utf8)) || body.isEmpty { continue }
            guard body.count == length else { return nil }
            if status >= 400, !body.starts(with: Array(#"{""#.utf8)) { return nil }
            rest = rest.dropFirst(length)
        }
        return statuses
    }
}
