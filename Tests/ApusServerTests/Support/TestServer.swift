import ApusCore
import ApusMetrics
import ApusServer
import Dispatch
import Glibc
import Synchronization

/// A server on ports of its own on the loopback interface.
struct TestServer: Sendable {
    let server: HTTPServer
    let catalogue: FakeCatalogue
    let metrics: Metrics
    let log: RecordedLog
    let port: Int
    let metricsPort: Int
    let grpcPort: Int

    func connect(receiveBufferByteCount: Int32? = nil) throws -> RawClient {
        try RawClient(port: port, receiveBufferByteCount: receiveBufferByteCount)
    }

    /// Sends one request over a connection of its own.
    func exchange(_ request: String, hasBody: Bool = true) throws -> RawResponse {
        try connect().exchange(request, hasBody: hasBody)
    }

    /// The value of a series in the exposition; nil if it is not there.
    func metric(_ series: String) -> String? {
        let text = String(decoding: metrics.exposition(), as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix(series + " ") }
        return line.map { String($0.dropFirst(series.utf8.count + 1)) }
    }

    /// Starts to shut the server down, and returns at once.
    func beginShutdown(gracePeriod: Duration = .seconds(20)) -> PendingShutdown {
        let pending = PendingShutdown()
        Task {
            pending.finish(await server.shutdown(gracePeriod: gracePeriod))
        }
        return pending
    }
}

/// A shutdown that is under way.
final class PendingShutdown: Sendable {
    private let done = DispatchSemaphore(value: 0)
    private let result = Atomic<Bool>(false)

    fileprivate func finish(_ isDrained: Bool) {
        result.store(isDrained, ordering: .releasing)
        done.signal()
    }

    /// Waits for the end.
    ///
    /// - Returns: whether every request was answered.
    func wait() -> Bool {
        done.wait()
        return result.load(ordering: .acquiring)
    }
}

/// Runs `body` with a server. The body may block: it has a thread of its own.
func withServer(
    _ catalogue: FakeCatalogue? = nil, accessLogSample: Int = 0,
    logControl: (any LogControl)? = nil,
    configure: (inout HTTPServerConfiguration) -> Void = { _ in },
    _ body: @escaping @Sendable (TestServer) throws -> Void
) async throws {
    var configuration = HTTPServerConfiguration(listeners: [
        .init(.tcp(host: "127.0.0.1", port: 0)),
        .init(.tcp(host: "127.0.0.1", port: 0), role: .metrics),
        .init(.tcp(host: "127.0.0.1", port: 0), role: .grpc),
    ])
    configuration.serverVersion = "1.2.3"
    configuration.accessLogSample = accessLogSample
    configure(&configuration)
    let catalogue = try catalogue ?? FakeCatalogue()
    let metrics = Metrics(version: "1.2.3", collectsProcess: false)
    let log = RecordedLog()
    let server = HTTPServer(
        configuration: configuration, catalogue: catalogue, metrics: metrics, logger: log.logger,
        logControl: logControl)
    let bound = try await server.start()
    let test = TestServer(
        server: server, catalogue: catalogue, metrics: metrics, log: log,
        port: bound[0].port ?? 0,
        metricsPort: bound.first { $0.role == .metrics }?.port ?? 0,
        grpcPort: bound.first { $0.role == .grpc }?.port ?? 0)
    let result = await onThread { Result { try body(test) } }
    _ = await server.shutdown(gracePeriod: .zero)
    try result.get()
}

/// Runs what may block on a queue of its own, away from Swift's few threads.
private func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
        DispatchQueue(label: "test").async { continuation.resume(returning: body()) }
    }
}

/// Waits until something holds that another thread brings about.
///
/// - Returns: false if it has not come about for two minutes.
func eventually(_ holds: () -> Bool) -> Bool {
    for _ in 0..<60_000 {
        if holds() { return true }
        usleep(2000)
    }
    return holds()
}

/// A request with the headers that every request has.
func request(
    _ method: String, _ path: String, headers: [String] = [], body: String? = nil
) -> String {
    var lines = ["\(method) \(path) HTTP/1.1", "Host: localhost"] + headers
    if let body { lines.append("Content-Length: \(body.utf8.count)") }
    return lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? "")
}

/// An inference request to `model` with one row of `x`.
func infer(_ model: String, _ x: String = "[1,2]", id: String = "", headers: [String] = [])
    -> String
{
    request(
        "POST", "/v2/models/\(model)/infer", headers: headers,
        body: #"{"id":"\#(id)","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":"#
            + "\(x)}]}")
}

/// Something that ends on another thread, perhaps with an error.
final class PendingFailure: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)
    private let failure = Guarded<ServerError?>(nil)

    func set(_ error: ServerError) { failure.withLock { $0 = error } }

    func done() { semaphore.signal() }

    func wait() -> ServerError? {
        semaphore.wait()
        return failure.withLock { $0 }
    }
}
