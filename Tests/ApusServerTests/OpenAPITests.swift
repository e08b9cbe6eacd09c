import ApusServer
import ApusTestSupport
import Foundation
import Testing

/// The description of the server, and the page that shows it.
@Suite struct OpenAPITests {
    @Test func documentDescribesEveryModelWithAnExample() async throws {
        try await withServer { test in
            let response = try test.exchange(request("GET", "/openapi.json"))
            #expect(response["content-type"] == "application/json")
            let document = try #require(
                try JSONSerialization.jsonObject(with: Data(response.body)) as? [String: Any])
            #expect(document["openapi"] as? String == "3.1.0")
            let paths = try #require(document["paths"] as? [String: Any])
            let item = try #require(paths["/v2/models/double/infer"] as? [String: Any])
            let post = try #require(item["post"] as? [String: Any])
            let model = try #require(post["x-apus-model"] as? [String: Any])
            #expect(model["versions"] as? [String] == ["1", "3"])
            let body = try #require(post["requestBody"] as? [String: Any])
            let content = try #require(body["content"] as? [String: Any])
            let json = try #require(content["application/json"] as? [String: Any])
            let example = try JSONSerialization.data(withJSONObject: try #require(json["example"]))
            let answer = try test.exchange(
                request(
                    "POST", "/v2/models/double/infer",
                    body: String(decoding: example, as: UTF8.self)))
            #expect(answer.status == 200, "\(answer.text)")
            // What JSON cannot carry has no example.
            let half = try #require(paths["/v2/models/half/infer"] as? [String: Any])
            #expect(!"\(half)".contains("example"))
            // What this server does not offer is not in it.
            #expect(paths["/v2/systemsharedmemory/region/{region}/register"] == nil)
        }
    }

    /// Every path of the document is one that the server routes.
    @Test func pathsOfTheDocumentAreRouted() async throws {
        try await withServer(configure: { $0.allowsSharedMemory = true }) { test in
            let client = try test.connect()
            let response = try client.exchange(request("GET", "/openapi.json"))
            let document = try JSONSerialization.jsonObject(with: Data(response.body))
            let paths = try #require((document as? [String: Any])?["paths"] as? [String: Any])
            #expect(paths.count > 20)
            for (path, item) in paths {
                let target = path.split(separator: "/").map { part in
                    ["{version}", "{alias}"].contains(part)
                        ? "3" : part.hasPrefix("{") ? "double" : String(part)
                }
                for method in try #require(item as? [String: Any]).keys {
                    let answer = try client.exchange(
                        request(
                            method.uppercased(), "/" + target.joined(separator: "/"),
                            body: method == "post" ? "{}" : nil))
                    #expect(answer.status != 404 && answer.status != 405, "\(method) \(path)")
                    #expect(answer.status < 500, "\(method) \(path): \(answer.text)")
                }
            }
        }
    }

    @Test func pageHoldsEverythingItNeeds() async throws {
        try await withServer { test in
            let first = try test.exchange(request("GET", "/docs"))
            let second = try test.exchange(request("GET", "/docs"))
            #expect(first["content-type"] == "text/html; charset=utf-8")
            let policy = try #require(first["content-security-policy"])
            #expect(policy.hasPrefix("default-src 'none'; script-src 'nonce-"))
            #expect(policy != second["content-security-policy"])
            let nonce = try #require(policy.split(separator: "'").first { $0.hasPrefix("nonce-") })
            #expect(first.text.contains("<script nonce=\"\(nonce.dropFirst(6))\">"))
            #expect(!first.text.contains("http://") && !first.text.contains("https://"))
        }
    }
}
