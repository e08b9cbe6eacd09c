import ApusWire
import SwiftProtobuf
import Testing

@testable import ApusServer

/// Who may ask for what.
@Suite struct AccessTests {
    // MARK: Pages

    private static let foreign = [
        ["Origin: http://evil.example"],
        ["Origin: http://evil.example", "Sec-Fetch-Site: cross-site"],
        ["Origin: http://localhost:3000", "Sec-Fetch-Site: same-site"],
        ["Sec-Fetch-Site: cross-site", "Content-Type: text/plain"],
        ["Origin: null"],
    ]

    /// Every route that does something, in every dialect.
    @Test func pagesOfOtherSitesChangeNothing() async throws {
        let endpoints =
            (Endpoints.all + DialectRoutes.endpoints(.all)).filter { $0.effect != .reads }
        #expect(endpoints.count > 60)
        let catalogue = try FakeCatalogue.forDialects()
        try await withServer(catalogue, configure: { $0.dialects = .all }) { test in
            for endpoint in endpoints {
                for headers in Self.foreign {
                    let target = Self.target(of: endpoint)
                    let answer = try test.exchange(
                        request(endpoint.method.rawValue, target, headers: headers, body: "{}"))
                    #expect(answer.status == 403, "\(endpoint.method) \(target) \(headers)")
                }
            }
            #expect(catalogue.calls.isEmpty)
        }
    }

    @Test func pagesOfTheServerItselfAndProgramsAreAnswered() async throws {
        try await withServer { test in
            let own = ["Origin: http://localhost:\(test.port)"]
            for headers in [
                own, own + ["Sec-Fetch-Site: same-origin"], ["Sec-Fetch-Site: none"], [],
            ] {
                let named = request(
                    "POST", "/v2/repository/models/double/load", headers: headers, body: "{}"
                ).replacing("Host: localhost", with: "Host: localhost:\(test.port)")
                let answer = try test.exchange(named)
                #expect(answer.status == 200, "\(headers)")
            }
            #expect(test.catalogue.calls.count == 4)
        }
    }

    @Test func listedOriginsMayUseModelsAndReadAnswers() async throws {
        let origin = "https://ui.example"
        try await withServer(configure: { $0.corsAllowedOrigins = [origin] }) { test in
            let headers = ["Origin: \(origin)", "Sec-Fetch-Site: cross-site"]
            let answer = try test.exchange(infer("double", headers: headers))
            #expect(answer.status == 200)
            #expect(answer["access-control-allow-origin"] == origin)
            #expect(answer["vary"] == "Origin")
            let path = "/v2/models/double/infer"
            let leave = try test.exchange(
                request(
                    "OPTIONS", path,
                    headers: headers + [
                        "Access-Control-Request-Method: POST",
                        "Access-Control-Request-Headers: content-type, x-request-id",
                    ]))
            #expect(leave.status == 200)
            #expect(leave["access-control-allow-headers"] == "content-type, x-request-id")
            let other = try test.exchange(
                request(
                    "OPTIONS", path,
                    headers: [
                        "Origin: https://evil.example", "Access-Control-Request-Method: POST",
                    ]))
            #expect(other.status == 403)
            #expect(other["access-control-allow-origin"] == nil)
        }
    }

    /// Any origin means the models, not the server.
    @Test func anyOriginControlsNothing() {
        let policy = AccessPolicy(allowsRemoteControl: true, hosts: [], origins: ["*"])
        let headers = Self.headers(("origin", "https://a.example"), host: "localhost")
        #expect(!policy.isForeign(headers, .computes))
        #expect(policy.isForeign(headers, .controls))
    }

    // MARK: Names

    @Test(arguments: [
        ("localhost", true), ("LOCALHOST:8000", true), ("a.localhost:1", true),
        ("127.0.0.1:8000", true), ("[::1]:8000", true), ("10.1.2.3", true), ("localhost.", true),
        ("box", true), ("Box:8000", true), ("", true), ("evil.example", false),
        ("evil.example:8000", false), ("127.0.0.1.evil.example", false), ("1.2.3.4.5", false),
        ("999.0.0.1", false), ("localhost.evil.example", false), ("notlocalhost", false),
        ("x", false),
    ])
    func namesOfLoopbackPorts(host: String, isKnown: Bool) {
        let policy = AccessPolicy(allowsRemoteControl: false, hosts: ["Box"], origins: [])
        #expect(policy.knows(host: host) == isKnown)
    }

    /// A page whose name was pointed here is of the same origin as far as its browser knows.
    @Test func otherNamesAreNotAnsweredOnLoopback() async throws {
        try await withServer { test in
            for path in ["/v2/repository/models/double/unload", "/v2/models/double/infer"] {
                let headers = ["Origin: http://evil.example", "Sec-Fetch-Site: same-origin"]
                let rebound = request("POST", path, headers: headers, body: "{}")
                    .replacing("Host: localhost", with: "Host: evil.example")
                let answer = try test.exchange(rebound)
                #expect(answer.status == 403)
            }
            let read = request("GET", "/v2").replacing("localhost", with: "evil.example")
            let answer = try test.exchange(read)
            #expect(answer.status == 403)
            #expect(test.catalogue.calls.isEmpty)
        }
    }

    // MARK: Other machines

    @Test func controlIsForThisMachine() throws {
        func check(
            _ effect: AccessEffect, isLocal: Bool, isPortLocal: Bool = false,
            allowed: Bool = false, _ headers: AccessHeaders
        ) throws {
            let policy = AccessPolicy(allowsRemoteControl: allowed, hosts: [], origins: [])
            try Caller(policy, isLocal: isLocal, isPort: true, isPortLocal: isPortLocal)
                .check(effect, headers)
        }
        let remote = Self.headers(host: "models.example")
        try check(.reads, isLocal: false, remote)
        try check(.computes, isLocal: false, remote)
        #expect(throws: AccessProblem.remoteControl) {
            try check(.controls, isLocal: false, remote)
        }
        try check(.controls, isLocal: false, allowed: true, remote)
        // A proxy on this machine is not who asks.
        for name in ["forwarded", "X-Forwarded-For"] {
            let passed = Self.headers((name, "10.0.0.9"), host: "127.0.0.1")
            try check(.computes, isLocal: true, passed)
            #expect(throws: AccessProblem.remoteControl) {
                try check(.controls, isLocal: true, passed)
            }
        }
        // Nor is a page whose name was pointed at this machine.
        #expect(throws: AccessProblem.unknownHost("models.example")) {
            try check(.controls, isLocal: true, remote)
        }
        try check(.controls, isLocal: true, Self.headers(host: "127.0.0.1"))
        try check(.computes, isLocal: true, remote)
    }

    // MARK: gRPC

    @Test func gRPCMethodsHaveTheSameRules() async throws {
        try await withServer(configure: {
            $0.dialects = .all
            $0.trace.file = "/tmp/apus-access-trace.json"
        }) { test in
            let client = try GRPCClient(port: test.grpcPort)
            let all = GRPCEndpoints.all + GRPCEndpoints.tensorFlow
            for endpoint in all where endpoint.headEffect == .controls {
                for header in [
                    ("origin", "http://evil.example"), ("sec-fetch-site", "cross-site"),
                    (":authority", "evil.example"), ("x-forwarded-for", "10.0.0.9"),
                ] {
                    let answer = try client.call(endpoint.path, [], headers: [header])
                    #expect(answer.status == 7, "\(endpoint.path) \(header)")
                }
            }
            #expect(test.catalogue.calls.isEmpty)
            let trace = "/inference.GRPCInferenceService/TraceSetting"
            let change = try Inference_TraceSettingRequest.with {
                $0.settings["trace_rate"] = .with { $0.value = ["7"] }
            }.encoded()
            let proxy = ("x-forwarded-for", "10.0.0.9")
            #expect(try client.call(trace, change, headers: [proxy]).status == 7)
            #expect(try client.call(trace, [], headers: [proxy]).status == 0)
            #expect(try client.call(trace, change).status == 0)
        }
    }

    // MARK: Parts

    private static func headers(
        _ pairs: (String, String)..., host: String
    ) -> AccessHeaders {
        var headers = AccessHeaders()
        headers.noteHost(host)
        for (name, value) in pairs { _ = headers.note(name, value) }
        return headers
    }

    private static func target(of endpoint: Endpoint) -> String {
        let parts = endpoint.segments.map { segment in
            switch segment {
            case .literal(let text): String(decoding: text, as: UTF8.self)
            case .parameter(let parameter, let suffix):
                (parameter == .version ? "1" : "double") + String(decoding: suffix, as: UTF8.self)
            }
        }
        return "/" + parts.joined(separator: "/")
    }
}
