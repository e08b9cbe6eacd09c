import Dispatch
import NIOCore

/// What a loop looks after: a connection, or a stream of one.
protocol LoopMember: AnyObject {
    /// Place in the loop's list; nil when it is not there.
    var indexInLoop: Int? { get set }

    /// Ends what takes too long.
    func checkTimeouts(now: UInt64)
    func closeNow()
}

/// What the connections of one event loop share: a list of them, looked through for timeouts a few
/// times a second (cheaper than a timer per request), and the current date.
///
/// Touched only on `eventLoop`.
final class ServerLoop {
    let eventLoop: any EventLoop
    /// Compresses and decompresses large bodies of this loop's connections.
    let compressionQueue = DispatchQueue(label: "apus.compression")
    private(set) var responseWriter: HTTP1ResponseWriter
    private var members: [any LoopMember] = []
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
            bound.value.sweepMembers()
        }
    }

    func stop() {
        sweep?.cancel()
        sweep = nil
    }

    private func sweepMembers() {
        responseWriter.date = HTTPDate.now()
        let now = nowNanoseconds
        // A member that closes takes itself out of the list.
        for member in members { member.checkTimeouts(now: now) }
    }

    func add(_ member: any LoopMember) {
        member.indexInLoop = members.count
        members.append(member)
    }

    func remove(_ member: any LoopMember) {
        guard let index = member.indexInLoop else { return }
        member.indexInLoop = nil
        let last = members.removeLast()
        if last !== member {
            members[index] = last
            last.indexInLoop = index
        }
    }

    /// Closes all connections at once.
    func closeAll() {
        for member in members { member.closeNow() }
    }
}
