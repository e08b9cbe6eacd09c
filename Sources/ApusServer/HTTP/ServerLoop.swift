import Dispatch
import NIOCore

/// What the connections of one event loop share: a list of them, looked through for timeouts a few
/// times a second (cheaper than a timer per request), and the current date.
///
/// Touched only on `eventLoop`.
final class ServerLoop {
    let eventLoop: any EventLoop
    /// Compresses and decompresses large bodies of this loop's connections.
    let compressionQueue = DispatchQueue(label: "apus.compression")
    private(set) var responseWriter: HTTP1ResponseWriter
    private var connections: [HTTPConnection] = []
    private var sweep: RepeatedTask?

    init(eventLoop: any EventLoop, allocator: ByteBufferAllocator) {
        self.eventLoop = eventLoop
        responseWriter = HTTP1ResponseWriter(allocator: allocator, date: HTTPDate.now())
    }

    /// Time on the clock of `MonotonicClock`; virtual in tests.
    var nowNanoseconds: UInt64 { eventLoop.now.uptimeNanoseconds }

    /// How often connections are looked at: often enough for the shortest of the timeouts.
    static func sweepInterval(_ configuration: HTTPServerConfiguration) -> TimeAmount {
        let shortest = min(
            configuration.requestTimeout, configuration.writeTimeout, configuration.idleTimeout)
        let quarter = TimeAmount.nanoseconds(Int64(clamping: shortest.nanoseconds / 4))
        return min(.seconds(1), max(.milliseconds(20), quarter))
    }

    /// Starts looking at timeouts.
    func start(sweepEvery interval: TimeAmount) {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        sweep = eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            bound.value.sweepConnections()
        }
    }

    func stop() {
        sweep?.cancel()
        sweep = nil
    }

    private func sweepConnections() {
        responseWriter.date = HTTPDate.now()
        let now = nowNanoseconds
        // A connection that closes takes itself out of the list.
        for connection in connections { connection.checkTimeouts(now: now) }
    }

    func add(_ connection: HTTPConnection) {
        connection.indexInLoop = connections.count
        connections.append(connection)
    }

    func remove(_ connection: HTTPConnection) {
        guard let index = connection.indexInLoop else { return }
        connection.indexInLoop = nil
        let last = connections.removeLast()
        if last !== connection {
            connections[index] = last
            last.indexInLoop = index
        }
    }

    /// Closes all connections at once.
    func closeAll() {
        for connection in connections { connection.closeNow() }
    }
}
