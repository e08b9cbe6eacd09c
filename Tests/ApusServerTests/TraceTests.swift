import ApusCore
import ApusServer
import ApusTestSupport
import Foundation
import Logging
import Testing

/// Traces of requests, and the log settings.
@Suite struct TraceTests {
    @Test func everyNthRequestIsTracedIntoAWholeJSONFile() async throws {
        let file = FileManager.default.temporaryDirectory.path + "/apus-trace-\(getpid()).json"
        defer { try? FileManager.default.removeItem(atPath: file) }
        try await withServer(configure: { $0.trace.file = file }) { test in
            let client = try test.connect()
            #expect(try client.exchange(infer("double", id: "no")).status == 200)
            let change = request(
                "POST", "/v2/trace/setting",
                body: #"{"trace_level":["TIMESTAMPS"],"trace_rate":"2","trace_count":"2"}"#)
            let settings = try client.exchange(change)
            #expect(
                settings.text == #"{"trace_level":["TIMESTAMPS"],"trace_rate":"2","#
                    + #""trace_count":"2","log_frequency":"0","trace_file":"\#(file)","#
                    + #""trace_mode":"triton"}"#)
            for index in 1...9 {
                #expect(try client.exchange(infer("double", id: "r\(index)")).status == 200)
            }
            #expect(eventually { (try? Self.traces(file))?.count == 4 })
            let traces = try Self.traces(file)
            #expect(traces.compactMap { $0["request_id"] as? String } == ["r2", "r4"])
            let first = try #require(traces.first)
            #expect(first["model_name"] as? String == "double")
            #expect(first["model_version"] as? Int == 3)
            let timestamps = try #require(traces[1]["timestamps"] as? [[String: Any]])
            let names = timestamps.compactMap { $0["name"] as? String }
            #expect(
                names == [
                    "HTTP_RECV_START", "HTTP_RECV_END", "REQUEST_START", "REQUEST_END",
                    "HTTP_SEND_START", "HTTP_SEND_END",
                ])
        }
    }

    /// A model's own settings hold before those of all; null takes them back.
    @Test func settingsOfAModelComeFirst() async throws {
        let file = FileManager.default.temporaryDirectory.path + "/apus-trace-m\(getpid()).json"
        defer {
            for suffix in ["", ".0", ".1"] {
                try? FileManager.default.removeItem(atPath: file + suffix)
            }
        }
        try await withServer(configure: { $0.trace.file = file }) { test in
            let client = try test.connect()
            let own = "/v2/models/double/trace/setting"
            let on = #"{"trace_level":["TIMESTAMPS"],"trace_rate":1,"log_frequency":"2"}"#
            #expect(try client.exchange(request("POST", own, body: on)).status == 200)
            for index in 1...3 {
                _ = try client.exchange(infer("double", id: "d\(index)"))
                _ = try client.exchange(infer("fails", id: "f\(index)"))
            }
            #expect(eventually { (try? Self.traces(file + ".1"))?.count == 2 })
            #expect(try Self.traces(file + ".0").count == 4)
            let global = try client.exchange(request("GET", "/v2/trace/setting"))
            #expect(global.text.hasPrefix(#"{"trace_level":["OFF"],"trace_rate":"1000""#))
            let off = #"{"trace_level":null,"trace_rate":null,"log_frequency":null}"#
            let cleared = try client.exchange(request("POST", own, body: off))
            #expect(cleared.text == global.text)
        }
    }

    @Test func levelOfTheLogIsChanged() async throws {
        let control = FakeLogControl()
        try await withServer(logControl: control) { test in
            let client = try test.connect()
            let text = try client.exchange(request("GET", "/v2/logging")).text
            #expect(
                text == #"{"log_file":"","log_info":true,"log_warning":true,"log_error":true,"#
                    + #""log_verbose_level":0,"log_format":"ISO8601"}"#)
            let cases: [(String, Int, Logger.Level)] = [
                (#"{"log_verbose_level":1}"#, 200, .debug),
                (#"{"log_verbose_level":0,"log_info":false}"#, 200, .warning),
                (#"{"log_info":true,"log_format":"default"}"#, 200, .info),
                (#"{"log_info":false,"log_warning":false,"log_error":false}"#, 200, .critical),
                (#"{"log_file":"/tmp/x"}"#, 501, .critical),
                (#"{"log_info":"no"}"#, 400, .critical),
                (#"{"log_level":"no"}"#, 400, .critical),
                (#"{"log_format":"csv"}"#, 400, .critical),
                (#"{"log_verbose_level":-1}"#, 400, .critical),
                ("", 200, .critical),
            ]
            for (body, status, level) in cases {
                let answer = try client.exchange(request("POST", "/v2/logging", body: body))
                #expect(answer.status == status, "\(body): \(answer.text)")
                #expect(control.level == level, "\(body)")
            }
        }
    }

    private static func traces(_ path: String) throws -> [[String: Any]] {
        let data = try Data(contentsOf: URL(filePath: path))
        return try JSONSerialization.jsonObject(with: data) as? [[String: Any]] ?? []
    }
}

/// A log whose level is only remembered.
private final class FakeLogControl: LogControl {
    private let state = Guarded(Logger.Level.info)

    var level: Logger.Level { state.withLock { $0 } }
    func setLevel(_ level: Logger.Level) { state.withLock { $0 = level } }
}
