import ApusCore
import ApusRepository
import ApusServer
import Testing

/// What the server says of its own work.
@Suite struct ObservabilityTests {
    @Test func metricsAreOnBothPorts() async throws {
        try await withServer { test in
            #expect(try test.exchange(infer("double")).status == 200)
            for port in [test.port, test.metricsPort] {
                let answer = try RawClient(port: port).exchange(request("GET", "/metrics"))
                #expect(answer.status == 200)
                #expect(answer["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
                #expect(answer.text.contains(#"apus_http_requests_total{code="200"} "#))
            }
        }
    }

    @Test func metricsPortAnswersHealthButNoModels() async throws {
        try await withServer { test in
            let client = try RawClient(port: test.metricsPort)
            for path in ["/livez", "/readyz", "/v2/health/live", "/v2/health/ready"] {
                #expect(try client.exchange(request("GET", path)).status == 200)
            }
            #expect(try client.exchange(request("GET", "/v2")).status == 404)
            #expect(try client.exchange(infer("double")).status == 404)
            let head = try client.exchange(request("HEAD", "/metrics"), hasBody: false)
            #expect(head.status == 200)
            #expect(try client.exchange(request("GET", "/livez")).text == #"{"live":true}"#)
        }
    }

    @Test func everyRequestHasALineIfAllAreWanted() async throws {
        try await withServer(accessLogSample: 1) { test in
            let client = try test.connect()
            let body = #"{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}"#
            let path = "/v2/models/double/infer"
            let answer = try client.exchange(
                request("POST", path, headers: ["X-Request-ID: r-17"], body: body))
            #expect(answer["x-request-id"] == "r-17")
            #expect(try client.exchange(request("GET", "/nowhere")).status == 404)

            let lines = test.log.lines.filter { $0.message == "request" }
            #expect(lines.count == 2)
            #expect(lines.first?.metadata["request_id"] == "r-17")
            #expect(lines.first?.metadata["method"] == "POST")
            #expect(lines.first?.metadata["target"] == path)
            #expect(lines.first?.metadata["status"] == "200")
            #expect(lines.first?.metadata["received_bytes"] == "\(body.utf8.count)")
            #expect(lines.first?.metadata["client"] == "127.0.0.1")
            #expect(lines.last?.metadata["status"] == "404")
            #expect(lines.last?.metadata["request_id"] == nil)
        }
    }

    @Test func onlyErrorsAndASampleHaveLines() async throws {
        try await withServer(accessLogSample: 4) { test in
            let client = try test.connect()
            for _ in 0..<8 { _ = try client.exchange(request("GET", "/livez")) }
            _ = try client.exchange(request("GET", "/nowhere"))
            let statuses = test.log.lines.compactMap { $0.metadata["status"] }
            #expect(statuses == ["200", "200", "404"])
            test.server.setAccessLogSample(0)
            _ = try client.exchange(request("GET", "/nowhere"))
            #expect(test.log.lines.count == 3)
        }
    }

    @Test(arguments: [" ", String(repeating: "x", count: 200), "a\u{1}b", "ä"])
    func requestIDThatCouldDoHarmIsNotRepeated(id: String) async throws {
        try await withServer(accessLogSample: 1) { test in
            let answer = try test.exchange(
                request("GET", "/livez", headers: ["X-Request-ID: \(id)"]))
            #expect(answer["x-request-id"] == nil)
            #expect(test.log.lines.allSatisfy { $0.metadata["request_id"] == nil })
        }
    }

    @Test func failureOfAModelIsLogged() async throws {
        try await withServer { test in
            let answer = try test.exchange(infer("fails"))
            #expect(answer.status == 500)
            let lines = test.log.lines
            #expect(lines.contains { $0.metadata["error"] == "the model fell over" })
        }
    }

    @Test func refusalsAreCountedByReason() async throws {
        try await withServer(configure: { $0.bodyByteCountMax = 1000 }) { test in
            _ = try test.exchange(infer("nothing"))
            _ = try test.exchange(infer("double", "oops"))
            _ = try test.exchange(infer("loading"))
            _ = try test.exchange(
                "POST /v2/models/double/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n"
            )
            for reason in ["not_found", "invalid", "unavailable", "too_large"] {
                #expect(test.metric(#"apus_requests_refused_total{reason="\#(reason)"}"#) == "1")
            }
        }
    }

    @Test(arguments: [
        (ErrorKind.invalidArgument, 400), (.notFound, 404), (.unavailable, 503),
        (.permissionDenied, 403),
        (.resourceExhausted, 413), (.deadlineExceeded, 503), (.unsupported, 501),
        (.cancelled, 400), (.internal, 500),
    ])
    func eachKindOfErrorHasItsStatus(kind: ErrorKind, status: Int) async throws {
        let model = try FakeServable(
            "odd", version: "1", signature: ModelSignature(inputs: [], outputs: [])
        ) { _ in throw FakeError(kind: kind, message: "because \"so\"", retryAfterSeconds: 7) }
        try await withServer(FakeCatalogue([model])) { test in
            let answer = try test.exchange(infer("odd"))
            #expect(answer.status == status)
            #expect(answer.text == #"{"error":"because \"so\""}"#)
            #expect(answer["content-type"] == "application/json")
            #expect(answer["retry-after"] == (status == 503 ? "7" : nil))
        }
    }

    @Test func errorThatIsNobodysSaysNothingToTheClient() async throws {
        struct Secret: Error {}
        let model = try FakeServable(
            "odd", version: "1", signature: ModelSignature(inputs: [], outputs: [])
        ) { _ in throw Secret() }
        try await withServer(FakeCatalogue([model])) { test in
            let answer = try test.exchange(infer("odd"))
            #expect(answer.status == 500)
            #expect(!answer.text.contains("Secret"))
            #expect(test.log.lines.contains { $0.metadata["error"] == "Secret()" })
        }
    }

    @Test func repositoryIsToldWhatTheClientSaid() async throws {
        try await withServer { test in
            let body =
                #"{"parameters":{"config":"{\"max_batch_size\":2}","file:1/model.onnx":"AAEC"}}"#
            let path = "/v2/repository/models/double"
            #expect(try test.exchange(request("POST", path + "/load", body: body)).status == 200)
            #expect(try test.exchange(request("POST", path + "/unload")).status == 200)
            #expect(
                test.catalogue.calls == [
                    .load(
                        name: "double", configurationJSON: #"{"max_batch_size":2}"#,
                        files: ["1/model.onnx": [0, 1, 2]]),
                    .unload(name: "double"),
                ])
            test.catalogue.setFailure(.loadFailed(name: "double", reasons: ["1: a", "2: b"]))
            let failed = try test.exchange(request("POST", path + "/load"))
            #expect(failed.status == 400)
            #expect(failed.text == #"{"error":"failed to load \"double\": 1: a; 2: b"}"#)
        }
    }
}
