import ApusCore
import ApusTestSupport
import Testing

@testable import ApusServer

/// Large texts are read and written away from the event loop; nobody notices but by the clock.
@Suite struct LargeTextTests {
    private static let rowCount = 20_000

    private static var body: String {
        let rows = (0..<rowCount).map { "\($0 % 7),\($0 % 5)" }.joined(separator: ",")
        return #"{"inputs":[{"name":"x","shape":[\#(rowCount),2],"datatype":"FP32","data":["#
            + rows + "]}]}"
    }

    private static var expected: String {
        (0..<rowCount).map { "\($0 % 7 * 2).0,\($0 % 5 * 2).0" }.joined(separator: ",")
    }

    /// Answers keep their order, also those that are ready first.
    @Test func answersOfPipelinedRequestsKeepTheirOrder() async throws {
        try await withServer { test in
            let client = try test.connect()
            let large = request("POST", "/v2/models/double/infer", body: Self.body)
            try client.send(large + infer("double", id: "small") + large)
            #expect(try client.readResponse().text.contains(Self.expected))
            #expect(try client.readResponse().text.contains(#""id":"small""#))
            #expect(try client.readResponse().text.contains(Self.expected))
        }
    }

    @Test func mistakesInLargeTextsAreAnswered() async throws {
        try await withServer { test in
            let broken = Self.body.dropLast(20) + "x]}]}"
            let answer = try test.exchange(
                request("POST", "/v2/models/double/infer", body: String(broken)))
            #expect(answer.status == 400)
        }
    }

    @Test func clientsMayLeaveWhileTheirTextIsRead() async throws {
        try await withServer { test in
            for _ in 0..<8 {
                let client = try test.connect()
                try client.send(request("POST", "/v2/models/double/infer", body: Self.body))
                client.disconnect(withReset: true)
            }
            #expect(eventually { test.metric("apus_http_connections") == "0" })
            #expect(try test.exchange(infer("double")).status == 200)
        }
    }
}
