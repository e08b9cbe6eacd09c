import ApusMetrics
import ApusServer
import NIOCore
import Testing

/// Time limits, on a clock that the tests turn.
@Suite struct TimeoutTests {
    private let limits: (inout HTTPServerConfiguration) -> Void = {
        $0.requestTimeout = .seconds(60)
        $0.idleTimeout = .seconds(300)
    }

    @Test func headThatDoesNotEndIsRefused() throws {
        let connection = try EmbeddedConnection(configure: limits)
        try connection.receive("GET /livez HTTP/1.1\r\nHo")
        connection.advance(seconds: 30)
        try connection.receive("st: a")
        connection.advance(seconds: 29)
        #expect(try connection.sent() == "")
        connection.advance(seconds: 3)
        let answer = try connection.sent()
        #expect(answer.hasPrefix("HTTP/1.1 408 "))
        #expect(answer.contains("Connection: close\r\n"))
        connection.advance(seconds: 5)
        #expect(!connection.isOpen)
    }

    @Test func bodyThatTricklesIsRefused() throws {
        let connection = try EmbeddedConnection(configure: limits)
        try connection.receive(
            "POST /v2/models/double/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
        )
        for _ in 0..<59 {
            try connection.receive(" ")
            connection.advance(seconds: 1)
        }
        #expect(try connection.sent() == "")
        connection.advance(seconds: 3)
        #expect(try connection.sent().hasPrefix("HTTP/1.1 408 "))
        let text = String(decoding: connection.metrics.exposition(), as: UTF8.self)
        #expect(text.contains(#"apus_requests_refused_total{reason="slow_client"} 1"#))
    }

    @Test func connectionWithoutRequestIsClosedSilently() throws {
        let connection = try EmbeddedConnection(configure: limits)
        connection.advance(seconds: 299)
        #expect(connection.isOpen)
        connection.advance(seconds: 3)
        #expect(!connection.isOpen)
        #expect(try connection.sent() == "")
    }

    @Test func eachRequestStartsTheIdleTimeAnew() throws {
        let connection = try EmbeddedConnection(configure: limits)
        for _ in 0..<3 {
            connection.advance(seconds: 200)
            try connection.receive(request("GET", "/livez"))
            #expect(try connection.sent().hasPrefix("HTTP/1.1 200 "))
        }
        connection.advance(seconds: 302)
        #expect(!connection.isOpen)
    }

    @Test func modelMayTakeLongerThanAnyTimeoutOfTheClient() throws {
        let connection = try EmbeddedConnection(configure: limits)
        try connection.receive(infer("held"))
        connection.advance(seconds: 3600)
        #expect(connection.isOpen)
        try connection.catalogue.model("held").release()
        #expect(try connection.sent().hasPrefix("HTTP/1.1 200 "))
    }

    @Test func requestsThatWaitForTheirTurnAreNotLate() throws {
        let connection = try EmbeddedConnection {
            limits(&$0)
            $0.pipelinedRequestCountMax = 1
        }
        let model = try connection.catalogue.model("held")
        try connection.receive(infer("held", id: "a") + infer("held", id: "b"))
        try connection.receive(infer("held", id: "c"))
        connection.advance(seconds: 3600)
        for id in ["a", "b", "c"] {
            #expect(model.requests.count == 1 + (id == "a" ? 0 : id == "b" ? 1 : 2))
            model.release()
            #expect(try connection.sent().contains(#""id":"\#(id)""#))
        }
        #expect(connection.isOpen)
    }
}
