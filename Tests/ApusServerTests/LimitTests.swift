import ApusCore
import ApusServer
import ApusTestSupport
import NIOCore
import Testing

/// Limits of sizes and numbers.
@Suite struct LimitTests {
    @Test(arguments: [
        "X: " + String(repeating: "x", count: 70_000),
        (0..<200).map { "X-\($0): 1" }.joined(separator: "\r\n"),
    ])
    func tooManyOrTooLongHeadersAreRefused(headers: String) async throws {
        try await withServer { test in
            let client = try test.connect()
            try client.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\(headers)\r\n\r\n")
            let answer = try client.readResponse()
            #expect(answer.status == 431)
            #expect(answer.text.hasPrefix(#"{"error":"#))
            #expect(try client.readToEnd().isEmpty)
        }
    }

    @Test func tooLongTargetIsRefused() async throws {
        try await withServer { test in
            let client = try test.connect()
            try client.send(request("GET", "/" + String(repeating: "x", count: 70_000)))
            #expect([404, 431].contains(try client.readResponse().status))
        }
    }

    @Test func largeBodyIsRefusedWhileItIsStillSent() async throws {
        try await withServer(configure: { $0.bodyByteCountMax = 1000 }) { test in
            let client = try test.connect()
            try client.send(
                "POST /v2/models/double/infer HTTP/1.1\r\nHost: localhost\r\n"
                    + "Content-Length: 10000000\r\n\r\n")
            _ = client.sendWithoutWaiting([UInt8](repeating: 32, count: 1 << 16), upTo: 1 << 20)
            let answer = try client.readResponse()
            #expect(answer.status == 413)
            #expect(answer["connection"] == "close")
        }
    }

    @Test func bodyOfTheLargestAllowedSizeIsTaken() async throws {
        let byteCount = infer("double").utf8.count
        try await withServer(configure: { $0.bodyByteCountMax = byteCount }) { test in
            let body = #"{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}"#
            let padded = body + String(repeating: " ", count: byteCount - body.utf8.count)
            let path = "/v2/models/double/infer"
            let taken = try test.exchange(request("POST", path, body: padded))
            #expect(taken.status == 200)
            let refused = try test.exchange(request("POST", path, body: padded + " "))
            #expect(refused.status == 413)
        }
    }

    @Test func chunksAreJoinedWhateverTheirSizes() throws {
        let body = Array(
            #"{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}"#.utf8)
        var random = SeededRandom(seed: 5)
        for _ in 0..<50 {
            var text = Array(
                ("POST /v2/models/double/infer HTTP/1.1\r\nHost: localhost\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\n").utf8)
            var rest = body[...]
            while !rest.isEmpty {
                let count = Int.random(in: 1...rest.count, using: &random)
                text += Array("\(String(count, radix: 16))\r\n".utf8) + rest.prefix(count)
                text += Array("\r\n".utf8)
                rest = rest.dropFirst(count)
            }
            text += Array("0\r\n\r\n".utf8)
            let connection = try EmbeddedConnection()
            let cut = Int.random(in: 0...text.count, using: &random)
            try connection.receive(Array(text[..<cut]))
            try connection.receive(Array(text[cut...]))
            #expect(try connection.sent().hasSuffix(#""data":[2.0,4.0]}]}"#))
        }
    }

    @Test func allBodiesTogetherTakeBoundedMemory() async throws {
        try await withServer(configure: { $0.bodyMemoryByteCountMax = 1500 }) { test in
            let body = #"{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}"#
            let padded = body + String(repeating: " ", count: 900 - body.utf8.count)
            let path = "/v2/models/double/infer"
            let first = try test.connect()
            let whole = request("POST", path, headers: ["Expect: 100-continue"], body: padded)
            try first.send(String(whole.dropLast(900)))
            #expect(try first.readResponse().status == 100)
            // What is only declared takes nothing.
            #expect(try test.exchange(request("POST", path, body: padded)).status == 200)

            try first.send(String(padded.prefix(1)))
            #expect(
                eventually {
                    (try? test.exchange(request("POST", path, body: padded)))?.status == 503
                })
            let second = try test.exchange(request("POST", path, body: padded))
            #expect(second["retry-after"] == "1")

            try first.send(String(padded.dropFirst(1)))
            #expect(try first.readResponse().status == 200)
            #expect(try test.exchange(request("POST", path, body: padded)).status == 200)
        }
    }

    @Test func connectionsOverTheLimitAreClosed() async throws {
        try await withServer(configure: { $0.connectionCountMax = 1 }) { test in
            let first = try test.connect()
            #expect(try first.exchange(request("GET", "/livez")).status == 200)
            #expect(try test.connect().readToEnd().isEmpty)
            first.disconnect()
            #expect(eventually { test.metric("apus_http_connections") == "0" })
            #expect(try test.exchange(request("GET", "/livez")).status == 200)
        }
    }

    @Test func clientThatTakesNothingIsLetGo() async throws {
        let catalogue = FakeCatalogue([try bigModel(elementCount: 16 << 20)])
        try await withServer(catalogue, configure: { $0.writeTimeout = .milliseconds(200) }) {
            test in
            let client = try test.connect(receiveBufferByteCount: 4096)
            try client.send(infer("big"))
            #expect(eventually { test.metric(#"apus_http_requests_total{code="200"}"#) == "1" })
            #expect(eventually { test.metric("apus_http_connections") == "0" })
        }
    }
}

/// A model whose answer is large; zeros, as bytes of JSON twice as many.
func bigModel(elementCount: Int) throws -> FakeServable {
    let zeros = try Tensor(
        .int8, [1, elementCount], [Int8](repeating: 0, count: elementCount))
    return try FakeServable(
        "big", version: "1", signature: FakeExecutableModel.doublingSignature()
    ) { _ in [NamedTensor(name: "y", tensor: zeros)] }
}
