import ApusRepository
import ApusServer
import ApusTestSupport
import Testing

/// Cases of `Tests/Golden/http`: one request and the whole answer to it.
///
/// In the request, lines end with CR LF, `Host` and `Content-Length` are added where they are
/// missing, `Inference-Header-Content-Length: *` becomes the length of the body's first line, and
/// a body line `hex: …` stands for those bytes. A first line `server: loading`, `stopping`, `implicit`
/// (no load calls) or `shared-memory` (allowed) says how the server is. In the answer the date is left out, and bytes behind the JSON part are
/// printed like this, too.
@Suite struct GoldenHTTPTests {
    @Test(arguments: try GoldenCase.all(in: "http"))
    func requestIsAnsweredAsTheGoldenFileSays(_ golden: GoldenCase) async throws {
        let script = HTTPScript(golden.input)
        let catalogue = try FakeCatalogue()
        if script.server == "loading" {
            catalogue.setReadiness(
                RepositoryReadiness(
                    isReady: false, missing: [#"model "digits": loading version 3"#]))
        }
        if script.server == "implicit" { catalogue.setFailure(.explicitControlRequired) }
        let configure = { (configuration: inout HTTPServerConfiguration) in
            configuration.bodyByteCountMax = 4096
            configuration.allowsSharedMemory = script.server == "shared-memory"
        }
        try await withServer(catalogue, configure: configure) { test in
            if script.server == "stopping" { test.server.announceShutdown() }
            let client = try test.connect()
            try client.send(script.bytes)
            let response = try client.readResponse(hasBody: !script.isHead)
            var output = HTTPScript.description(of: response)
            if response["connection"] == "close" {
                let rest = try client.readToEnd()
                if !rest.isEmpty { output += "and \(rest.count) more bytes\n" }
            }
            #expect(try golden.matches(output), "got:\n\(output)")
        }
    }
}

/// Cases of `Tests/Golden/dialects`, written as those of `Tests/Golden/http`: what other servers'
/// clients send. The first line may be `server:` with any of `dialects=a,b` (their order; else all of
/// them), `model=m` (what routes without a name mean) and `loading`.
@Suite struct GoldenDialectTests {
    @Test(arguments: try GoldenCase.all(in: "dialects"))
    func requestIsAnsweredAsTheGoldenFileSays(_ golden: GoldenCase) async throws {
        let script = HTTPScript(golden.input)
        let words = script.server.split(separator: " ").map(String.init)
        let catalogue = try FakeCatalogue.forDialects()
        if words.contains("loading") {
            catalogue.setReadiness(
                RepositoryReadiness(
                    isReady: false, missing: [#"model "digits": loading version 3"#]))
        }
        var dialects = DialectSettings.all
        for word in words {
            let pair = word.split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false
            ).map(String.init)
            guard pair.count == 2 else { continue }
            if pair[0] == "model" { dialects.defaultModel = pair[1] }
            if pair[0] == "dialects" {
                dialects.dialects = pair[1].split(separator: ",").compactMap {
                    Dialect(rawValue: String($0))
                }
            }
        }
        let settings = dialects
        try await withServer(catalogue, configure: { $0.dialects = settings }) { test in
            let client = try test.connect()
            try client.send(script.bytes)
            let response = try client.readResponse(hasBody: !script.isHead)
            let output = HTTPScript.description(of: response).split(
                separator: "\n", omittingEmptySubsequences: false
            ).map { line in
                // Times differ from run to run.
                line.hasPrefix("x-ms-run-fn-exec-ms: ") ? "x-ms-run-fn-exec-ms: *" : line
            }.joined(separator: "\n")
            #expect(try golden.matches(output), "got:\n\(output)")
        }
    }
}

/// A request written for people.
struct HTTPScript {
    /// How the server is meant to be; empty = ready.
    var server = ""
    var bytes: [UInt8] = []
    var isHead = false

    init(_ text: String) {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        if let first = lines.first, first.hasPrefix("server: ") {
            server = String(first.dropFirst("server: ".count))
            lines.removeFirst()
        }
        let headCount = lines.firstIndex(of: "") ?? lines.count
        var head = lines[..<headCount].map(String.init)
        let bodyLines = lines[headCount...].dropFirst()
        let body = Self.body(bodyLines)
        isHead = head.first?.hasPrefix("HEAD ") == true
        let names = head.dropFirst().map { $0.prefix { $0 != ":" }.lowercased() }
        if !names.contains("host"), head.first?.hasSuffix("HTTP/1.1") == true {
            head.insert("Host: localhost", at: 1)
        }
        if !body.isEmpty, !names.contains("content-length"), !names.contains("transfer-encoding") {
            head.append("Content-Length: \(body.count)")
        }
        let jsonByteCount = bodyLines.first?.utf8.count ?? 0
        head = head.map {
            $0 == "Inference-Header-Content-Length: *"
                ? "Inference-Header-Content-Length: \(jsonByteCount)" : $0
        }
        bytes = Array((head.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body
    }

    /// JSON lines as they are, without line ends; `hex:` lines as bytes; `crlf:` lines with CR LF.
    private static func body(_ lines: ArraySlice<Substring>) -> [UInt8] {
        lines.flatMap { line in
            if line.hasPrefix("hex: ") {
                return line.dropFirst(5).split(separator: " ").map { UInt8($0, radix: 16) ?? 0 }
            }
            if line.hasPrefix("crlf: ") { return Array((line.dropFirst(6) + "\r\n").utf8) }
            return Array(line.utf8)
        }
    }

    static func description(of response: RawResponse) -> String {
        var lines = response.head.split(separator: "\r\n").map(String.init)
        lines = lines.map { $0.hasPrefix("Date: ") ? "Date: *" : $0 }
        lines.append("")
        let jsonByteCount =
            response["inference-header-content-length"].flatMap { Int($0) } ?? response.body.count
        lines.append(String(decoding: response.body[..<jsonByteCount], as: UTF8.self))
        let rest = response.body[jsonByteCount...]
        if !rest.isEmpty {
            let digits = rest.map { byte in
                (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
            lines.append("hex: " + digits.joined(separator: " "))
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
