import ApusCore
import ApusServer
import ApusTestSupport
import ApusWire
import Testing

/// Compressed requests and answers over sockets.
@Suite struct HTTPCompressionTests {
    /// JSON before binary data, as Triton's client sends it: one stream, and a header with the
    /// length of the JSON part before compression.
    @Test(arguments: ContentCoding.allCases, [2, 1000, 200_000])
    func compressedRequestsAndAnswersGoBothWays(coding: ContentCoding, columnCount: Int)
        async throws
    {
        try await withServer { test in
            let values = (0..<columnCount).map { Float($0 % 100) }
            let (body, headerByteCount) = Self.binaryBody(values)
            let client = try test.connect()
            try client.send(
                Self.post(
                    try Self.deflated(body, coding),
                    headers: [
                        "Content-Encoding: \(coding.rawValue)",
                        "Accept-Encoding: \(coding.rawValue)",
                        "Inference-Header-Content-Length: \(headerByteCount)",
                    ]))
            let response = try client.readResponse()
            #expect(response.status == 200)
            var answer = response.body
            if columnCount > 2 {
                #expect(response["content-encoding"] == coding.rawValue)
                #expect(response["vary"] == "Accept-Encoding")
                answer = try Self.inflated(answer, coding)
            } else {
                #expect(response["content-encoding"] == nil)
            }
            let jsonByteCount = try #require(
                response["inference-header-content-length"].flatMap { Int($0) })
            let floats = answer[jsonByteCount...].withUnsafeBytes { bytes in
                (0..<columnCount).map {
                    bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self)
                }
            }
            #expect(floats == values.map { $0 * 2 })
            // The connection goes on.
            #expect(try client.exchange(infer("double")).status == 200)
        }
    }

    @Test func chunkedBodiesAreDecompressed() async throws {
        try await withServer { test in
            let body = try Self.deflated(Array(Self.json.utf8), .gzip)
            var bytes = Array(
                ("POST /v2/models/double/infer HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: x-gzip\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\n").utf8)
            for byte in body { bytes += Array("1\r\n".utf8) + [byte] + Array("\r\n".utf8) }
            bytes += Array("0\r\n\r\n".utf8)
            let client = try test.connect()
            try client.send(bytes)
            #expect(try client.readResponse().status == 200)
        }
    }

    /// The answer comes as soon as the limit is passed, and the memory is given back.
    @Test(arguments: ContentCoding.allCases)
    func bombsAreRefused(coding: ContentCoding) async throws {
        let bomb = try Self.deflated([UInt8](repeating: 0x20, count: 256 << 20), coding)
        try await withServer(configure: { $0.bodyByteCountMax = 4 << 20 }) { test in
            let client = try test.connect()
            for _ in 0..<3 {
                try client.send(
                    Self.post(bomb, headers: ["Content-Encoding: \(coding.rawValue)"]))
                let response = try client.readResponse()
                #expect(response.status == 413)
                #expect(response.text.contains("4194304 bytes"), "\(response.text)")
            }
            #expect(try client.exchange(infer("double")).status == 200)
        }
    }

    /// Exactly the limit is allowed.
    @Test(arguments: ContentCoding.allCases, [-1, 0, 1, 70_000])
    func limitHoldsForTheDecompressedBody(coding: ContentCoding, surplus: Int) async throws {
        let limit = 200_000
        try await withServer(configure: { $0.bodyByteCountMax = limit }) { test in
            let padding = String(repeating: " ", count: limit + surplus - Self.json.utf8.count)
            let body = try Self.deflated(Array((Self.json + padding).utf8), coding)
            let client = try test.connect()
            try client.send(Self.post(body, headers: ["Content-Encoding: \(coding.rawValue)"]))
            #expect(try client.readResponse().status == (surplus > 0 ? 413 : 200))
        }
    }

    @Test func damagedStreamsAreTheClientsMistake() async throws {
        try await withServer { test in
            let client = try test.connect()
            let packed = try Self.deflated(Array(Self.json.utf8), .deflate)
            for body in [[], [1, 2, 3], Array(packed.dropLast()), packed + [0]] {
                try client.send(Self.post(body, headers: ["Content-Encoding: deflate"]))
                let response = try client.readResponse()
                #expect(response.status == 400, "\(response.text)")
                #expect(response.text.hasPrefix(#"{"error":"the deflate stream: "#))
            }
            #expect(test.metric(#"apus_http_refused_requests_total{reason="invalid"}"#) != "0")
        }
    }

    /// Random damage gives an answer, whatever it is, and the server goes on.
    @Test(arguments: 0..<4)
    func damagedStreamsAreNoDanger(seed: Int) async throws {
        try await withServer { test in
            var random = SeededRandom(seed: UInt64(seed))
            let packed = try Self.deflated(Array(Self.json.utf8), .gzip)
            let client = try test.connect()
            for _ in 0..<300 {
                var body = packed
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    let index = Int.random(in: 0..<body.count, using: &random)
                    body[index] = UInt8.random(in: 0...255, using: &random)
                }
                try client.send(Self.post(body, headers: ["Content-Encoding: gzip"]))
                let status = try client.readResponse().status
                #expect([200, 400, 413].contains(status))
            }
        }
    }

    @Test(arguments: [
        ("gzip", "gzip"), ("deflate, gzip", "deflate"), ("gzip;q=0.5, deflate", "deflate"),
        ("gzip;q=0, *", "gzip"), ("*", "gzip"), ("identity, gzip", nil), ("br", nil), ("", nil),
        ("GZIP ; q=0.3 , identity;q=0.2", "gzip"), ("gzip;q=2", nil), ("gzip;q=0", nil),
        ("identity;q=0, deflate;q=0.001", "deflate"), ("gzip;q=nan", nil),
    ])
    func heaviestAcceptedCodingIsChosen(header: String, expected: String?) async throws {
        try await withServer { test in
            let row = "[" + [String](repeating: "1", count: 2).joined(separator: ",") + "]"
            let id = String(repeating: "long ", count: 200)
            let response = try test.exchange(
                infer("double", row, id: id, headers: ["Accept-Encoding: \(header)"]))
            #expect(response.status == 200)
            #expect(response["content-encoding"] == expected)
        }
    }

    /// Answers in order, though the first is compressed elsewhere.
    @Test func pipelinedAnswersKeepTheirOrder() async throws {
        try await withServer { test in
            let (body, headerByteCount) = Self.binaryBody((0..<300_000).map { Float($0) })
            let client = try test.connect()
            try client.send(
                Self.post(
                    body,
                    headers: [
                        "Accept-Encoding: gzip",
                        "Inference-Header-Content-Length: \(headerByteCount)",
                    ]) + Array(infer("double", id: "second").utf8))
            let first = try client.readResponse()
            #expect(first["content-encoding"] == "gzip")
            #expect(try client.readResponse().text.contains("second"))
        }
    }

    // MARK: Parts

    private static let json =
        #"{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2.5]}]}"#

    private static func binaryBody(_ values: [Float]) -> (bytes: [UInt8], headerByteCount: Int) {
        let json = Array(
            (#"{"inputs":[{"name":"x","shape":[1,\#(values.count)],"datatype":"FP32","#
                + #""parameters":{"binary_data_size":\#(values.count * 4)}}],"#
                + #""parameters":{"binary_data_output":true}}"#).utf8)
        return (json + values.withUnsafeBytes { Array($0) }, json.count)
    }

    private static func post(_ body: [UInt8], headers: [String]) -> [UInt8] {
        let head =
            [
                "POST /v2/models/double/infer HTTP/1.1", "Host: localhost",
                "Content-Length: \(body.count)",
            ]
            + headers
        return Array((head.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body
    }

    private static func deflated(_ bytes: [UInt8], _ coding: ContentCoding) throws -> [UInt8] {
        try bytes.withUnsafeBytes { try Deflater.deflated($0, coding) }
    }

    private static func inflated(_ bytes: [UInt8], _ coding: ContentCoding) throws -> [UInt8] {
        try bytes.withUnsafeBytes {
            try Inflater.inflated($0, coding, byteCountMax: 1 << 30).withUnsafeBytes { Array($0) }
        }
    }
}
