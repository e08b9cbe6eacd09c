import ApusServer
import NIOCore
import Testing

/// How requests share a connection.
@Suite struct ConnectionTests {
    @Test func connectionIsKeptForFurtherRequests() async throws {
        try await withServer { test in
            let client = try test.connect()
            for _ in 0..<3 {
                let answer = try client.exchange(infer("double"))
                #expect(answer.status == 200)
                #expect(answer["connection"] == nil)
            }
            #expect(test.metric("apus_http_connections") == "1")
        }
    }

    @Test func errorsOfSmallRequestsKeepTheConnection() async throws {
        try await withServer { test in
            let client = try test.connect()
            #expect(try client.exchange(infer("nothing")).status == 404)
            #expect(try client.exchange(infer("double", "[1]")).status == 400)
            #expect(try client.exchange(request("POST", "/livez", body: "x")).status == 405)
            #expect(try client.exchange(request("GET", "/livez")).status == 200)
        }
    }

    @Test func requestMayArriveByteByByte() throws {
        let connection = try EmbeddedConnection()
        for byte in infer("double", "[1,2]").utf8 { try connection.receive([byte]) }
        #expect(try connection.sent().hasSuffix(#""data":[2.0,4.0]}]}"#))
    }

    @Test func emptyLinesBetweenRequestsAreIgnored() throws {
        let connection = try EmbeddedConnection()
        try connection.receive(
            request("GET", "/livez") + "\r\n\r\n" + request("GET", "/v2/health/ready"))
        let answers = try connection.sent()
        #expect(answers.contains(#"{"live":true}"#) && answers.hasSuffix(#"{"ready":true}"#))
    }

    // MARK: Pipelining

    @Test func answersComeInTheOrderOfRequests() async throws {
        try await withServer { test in
            let model = try test.catalogue.model("held")
            let client = try test.connect()
            let requests = (0..<5).map { infer("held", id: "\($0)") }
            try client.send(requests.joined() + request("GET", "/livez"))
            #expect(eventually { model.requests.count == 5 })
            for index in (0..<5).reversed() { model.release(index) }
            for index in 0..<5 {
                #expect(try client.readResponse().text.contains(#""id":"\#(index)""#))
            }
            #expect(try client.readResponse().text == #"{"live":true}"#)
        }
    }

    @Test func onlySoManyRequestsOfAConnectionAreInWork() throws {
        let connection = try EmbeddedConnection { $0.pipelinedRequestCountMax = 2 }
        let model = try connection.catalogue.model("held")
        try connection.receive((0..<5).map { infer("held", id: "\($0)") }.joined())
        for done in 0..<5 {
            #expect(model.requests.count == min(done + 2, 5))
            model.release()
            #expect(try connection.sent().contains(#""id":"\#(done)""#))
        }
    }

    @Test func serverStopsReadingWhenThePipelineIsFull() async throws {
        try await withServer(configure: { $0.pipelinedRequestCountMax = 2 }) { test in
            let client = try test.connect()
            let burst = Array(String(repeating: infer("held"), count: 1000).utf8)
            // Far more than the system's buffers hold.
            let sentByteCount = client.sendWithoutWaiting(burst, upTo: 64 << 20)
            #expect(sentByteCount < 64 << 20)
            let model = try test.catalogue.model("held")
            #expect(eventually { model.requests.count == 2 })
            for _ in 0..<100 {
                #expect(eventually { model.heldCount > 0 })
                model.release()
                #expect(try client.readResponse().status == 200)
            }
        }
    }

    @Test func nothingBehindTheLastRequestIsStarted() throws {
        let connection = try EmbeddedConnection()
        let model = try connection.catalogue.model("held")
        try connection.receive(
            infer("held", headers: ["Connection: close"]) + infer("held", id: "late"))
        try connection.receive("and then nonsense \r\n\r\n")
        #expect(model.requests.count == 1)
        model.release()
        let answer = try connection.sent()
        #expect(answer.hasPrefix("HTTP/1.1 200 ") && answer.contains("Connection: close\r\n"))
        #expect(!answer.contains("late"))
    }

    @Test func malformedRequestIsAnsweredBehindTheGoodOnes() async throws {
        try await withServer { test in
            let client = try test.connect()
            try client.send(request("GET", "/livez") + "GET / HTTP/1.1\r\nHost : a\r\n\r\n")
            #expect(try client.readResponse().status == 200)
            try client.send(String(repeating: "more of it ", count: 1000))
            let answer = try client.readResponse()
            #expect(answer.status == 400)
            #expect(answer.text.hasPrefix(#"{"error":"malformed HTTP request: "#))
            #expect(try client.readToEnd().isEmpty)
        }
    }

    // MARK: Expect

    @Test func clientThatAsksMaySendItsBody() async throws {
        try await withServer { test in
            let client = try test.connect()
            let whole = infer("double", headers: ["Expect: 100-continue"])
            let end = whole.firstRange(of: "\r\n\r\n")?.upperBound ?? whole.endIndex
            try client.send(String(whole[..<end]))
            #expect(try client.readResponse().status == 100)
            try client.send(String(whole[end...]))
            #expect(try client.readResponse().status == 200)
            #expect(try client.exchange(request("GET", "/livez")).status == 200)
        }
    }

    @Test func clientThatAsksIsRefusedBeforeItSendsItsBody() async throws {
        try await withServer(configure: { $0.bodyByteCountMax = 100 }) { test in
            for (path, status) in [("/v2/models/double/infer", 413), ("/nowhere", 404)] {
                let client = try test.connect()
                let answer = try client.exchange(
                    "POST \(path) HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                        + "Content-Length: 101\r\n\r\n")
                #expect(answer.status == status)
                #expect(answer["connection"] == "close")
                #expect(try client.readToEnd().isEmpty)
            }
        }
    }

    @Test func permissionComesBehindTheAnswersBeforeIt() throws {
        let connection = try EmbeddedConnection()
        try connection.receive(
            infer("held") + "POST /v2/models/double/infer HTTP/1.1\r\nHost: localhost\r\n"
                + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        #expect(try connection.sent() == "")
        try connection.catalogue.model("held").release()
        let answers = try connection.sent()
        #expect(answers.hasPrefix("HTTP/1.1 200 "))
        #expect(answers.hasSuffix("HTTP/1.1 100 Continue\r\n\r\n"))
    }

    @Test func clientOfTheOldVersionIsNotToldToContinue() throws {
        let connection = try EmbeddedConnection()
        try connection.receive(
            "POST /v2/repository/index HTTP/1.0\r\nExpect: 100-continue\r\n"
                + "Content-Length: 2\r\n\r\n")
        #expect(try connection.sent() == "")
    }
}
