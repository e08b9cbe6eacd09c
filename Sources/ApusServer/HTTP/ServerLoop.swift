import ApusCore
import Dispatch
import NIOCore

/// What a loop looks after: a connection, or a stream of one.
protocol LoopMember: AnyObject {
    /// Place in the loop's list; nil when it is not there.
    var indexInLoop: Int? { get set }

    /// Ends what takes too long.
    func checkTimeouts(now: UInt64)
    /// For how long a connection has had nothing to do, in nanoseconds; nil if it has.
    func idleNanoseconds(now: UInt64) -> UInt64?
    func closeNow()
}

/// What the connections of one event loop share: a list of them, looked through for timeouts a few
/// times a second (cheaper than a timer per request), the current date, and the requests that came in
/// one turn of the loop.
///
/// Touched only on `eventLoop`.
final class ServerLoop {
    let eventLoop: any EventLoop
    /// Do what takes the loop too long: what is large, and what is so large that the other must not
    /// wait for it.
    private let largeQueue = DispatchQueue(label: "apus.large")
    private let hugeQueue = DispatchQueue(label: "apus.huge")
    /// Bytes from which on work is huge.
    private static let hugeByteCount = 4 << 20
    private(set) var responseWriter: HTTP1ResponseWriter
    private var members: [any LoopMember] = []
    private var sweep: RepeatedTask?
    /// Where the search for a connection that nobody uses goes on.
    private var evictionPlace = 0
    /// Requests of this turn, which start together at its end: what arrives together on many
    /// connections then shares executions, and no thread is woken for each.
    private var arrived: [(servable: any Servable, submission: InferenceSubmission)] = []
    /// A request of so many bytes starts at once: taking in the others of its turn takes longer than
    /// waking a thread.
    private static let largeByteCount = 64 << 10

    init(eventLoop: any EventLoop, allocator: ByteBufferAllocator) {
        self.eventLoop = eventLoop
        responseWriter = HTTP1ResponseWriter(allocator: allocator, date: HTTPDate.now())
    }

    /// Time on the clock of `MonotonicClock`; virtual in tests.
    var nowNanoseconds: UInt64 { eventLoop.now.uptimeNanoseconds }

    /// How often connections are looked at: often enough for the shortest of the timeouts.
    static func sweepInterval(_ configuration: HTTPServerConfiguration) -> TimeAmount {
        var shortest = min(
            configuration.requestTimeout, configuration.writeTimeout, configuration.idleTimeout)
        if configuration.drainGrace > .zero { shortest = min(shortest, configuration.drainGrace) }
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

    // MARK: Turns

    /// Runs `action` in another turn, behind what sockets have for this loop by then. The loop goes on
    /// with tasks that are due, those of a moment ago included, before it looks at sockets: so it is a
    /// little later.
    func inAnotherTurn(_ action: @escaping () -> Void) {
        let bound = NIOLoopBound(action, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: .microseconds(100)) { bound.value() }
    }

    // MARK: Elsewhere

    /// The most bytes that text is read from, written as, compressed from or decompressed to on the
    /// loop itself, where everybody else waits for it.
    static let inlineByteCountMax = 64 << 10

    /// Runs `work` away from the loop, and `next` on it.
    ///
    /// - Parameter byteCount: about how many bytes are worked on.
    func elsewhere<Value: Sendable>(
        _ server: ServerContext, byteCount: Int, _ work: @escaping @Sendable () throws -> Value,
        then next: @escaping (Result<Value, any Error>) -> Void
    ) {
        let bound = NIOLoopBound(next, eventLoop: eventLoop)
        let eventLoop = eventLoop
        server.beginWork()
        let queue = byteCount < Self.hugeByteCount ? largeQueue : hugeQueue
        queue.async {
            let result = Result { try work() }
            eventLoop.execute { bound.value(result) }
            server.endWork()
        }
    }

    // MARK: Inference

    /// Hands a request to a model at the end of this turn of the loop, or at once if it is large.
    func submit(
        _ request: InferenceRequest, to servable: any Servable,
        completion: @escaping @Sendable (Result<InferenceResponse, any Error>) -> Void
    ) {
        let isLarge = request.inputs.contains {
            $0.tensor.bytes.map { $0.count >= Self.largeByteCount } ?? false
        }
        if isLarge { return servable.infer(request, completion: completion) }
        if arrived.isEmpty {
            let bound = NIOLoopBound(self, eventLoop: eventLoop)
            eventLoop.execute { bound.value.startArrived() }
        }
        arrived.append((servable, InferenceSubmission(request, completion: completion)))
    }

    private func startArrived() {
        var rest = arrived
        arrived.removeAll(keepingCapacity: true)
        while let servable = rest.first?.servable {
            servable.infer(rest.filter { $0.servable === servable }.map(\.submission))
            rest.removeAll { $0.servable === servable }
        }
    }

    // MARK: Members

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

    /// A connection that has had nothing to do for so long may go when there are too many.
    private static let evictedNanoseconds: UInt64 = 1_000_000_000
    /// How many members are looked at for one.
    private static let evictionLookCount = 64

    /// Closes a connection that nobody uses.
    ///
    /// - Returns: whether there is one.
    func evictIdle() -> Bool {
        let now = nowNanoseconds
        for _ in 0..<min(Self.evictionLookCount, members.count) {
            evictionPlace = evictionPlace + 1 < members.count ? evictionPlace + 1 : 0
            let member = members[evictionPlace]
            guard let idle = member.idleNanoseconds(now: now), idle >= Self.evictedNanoseconds
            else { continue }
            member.closeNow()
            return true
        }
        return false
    }

    /// Closes all connections at once.
    func closeAll() {
        for member in members { member.closeNow() }
    }
}
