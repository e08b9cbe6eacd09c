public import ApusMetrics
public import ApusRepository
public import Logging

import ApusCore
import NIOCore
import NIOExtras
import NIOHTTP1
import NIOPosix

/// The fronts, HTTP/1.1 and gRPC: opens ports, answers until it is told to stop.
///
/// It needs no loaded model to start: until one is ready, health and inference say so.
public final class HTTPServer: Sendable {
    private struct State {
        var group: MultiThreadedEventLoopGroup?
        var loops: [NIOLoopBound<ServerLoop>] = []
        var quiescing: [ServerQuiescingHelper] = []
        /// Passed sockets on which nobody is accepted yet.
        var waiting: [any Channel] = []
        var isStarted = false
    }

    private let server: ServerContext
    private let logger: Logger
    private let state = Guarded(State())

    /// - Parameter logControl: lets clients change the log's level; nil = they cannot.
    public init(
        configuration: HTTPServerConfiguration, catalogue: any ModelCatalogue, metrics: Metrics,
        logger: Logger, logControl: (any LogControl)? = nil
    ) {
        self.logger = logger
        let useCases = UseCases(
            catalogue: catalogue, metrics: metrics, serverName: configuration.serverName,
            serverVersion: configuration.serverVersion,
            sharedMemory: SharedMemoryRegions(
                isAllowed: configuration.allowsSharedMemory,
                inputByteCountMax: configuration.bodyByteCountMax,
                inputMemoryByteCountMax: configuration.bodyMemoryByteCountMax),
            trace: configuration.trace, logControl: logControl,
            dialects: configuration.dialects)
        metrics.setReadiness { [weak useCases] in useCases?.serverReadiness().isReady ?? false }
        server = ServerContext(
            configuration: configuration, useCases: useCases, metrics: metrics,
            accessLog: AccessLog(logger: logger, sample: configuration.accessLogSample),
            logger: logger)
    }

    // MARK: Start

    /// Opens all listeners, or none.
    ///
    /// - Returns: what was opened, in the order of the configuration.
    public func start() async throws(ServerError) -> [BoundListener] {
        let isFirst = state.withLock { state in
            defer { state.isStarted = true }
            return !state.isStarted
        }
        guard isFirst else { throw .alreadyStarted }
        Descriptors.raiseLimit()
        let group = MultiThreadedEventLoopGroup(
            numberOfThreads: max(server.configuration.eventLoopCount, 1),
            metricsDelegate: LoopWatch(metrics: server.metrics.turns))
        state.withLock { $0.group = group }
        await startLoops(of: group)
        var bound: [BoundListener] = []
        do throws(ServerError) {
            for listener in server.configuration.listeners {
                bound.append(try await open(listener, on: group))
            }
        } catch {
            _ = await shutdown(gracePeriod: .zero)
            throw error
        }
        limitConnections()
        return bound
    }

    /// Takes no more connections than there are descriptors for.
    private func limitConnections() {
        let wanted = server.configuration.connectionCountMax
        guard let openCount = Descriptors.openCount() else { return }
        let possible = Descriptors.connectionCountMax(openCount: openCount)
        guard possible < wanted else { return }
        server.admission.lower(to: possible)
        logger.warning(
            "the limit of open files allows fewer connections than configured",
            metadata: ["connections": "\(possible)", "configured": "\(wanted)"])
    }

    private func startLoops(of group: MultiThreadedEventLoopGroup) async {
        let interval = ServerLoop.sweepInterval(server.configuration)
        for eventLoop in group.makeIterator() {
            let started = eventLoop.submit {
                let loop = ServerLoop(eventLoop: eventLoop, allocator: ByteBufferAllocator())
                loop.start(sweepEvery: interval)
                return NIOLoopBound(loop, eventLoop: eventLoop)
            }
            guard let loop = try? await started.get() else { continue }
            state.withLock { $0.loops.append(loop) }
        }
    }

    private func open(
        _ listener: HTTPServerConfiguration.Listener, on group: MultiThreadedEventLoopGroup
    ) async throws(ServerError) -> BoundListener {
        let quiescing = ServerQuiescingHelper(group: group)
        var bootstrap = bootstrap(listener.role, group, quiescing)
        if listener.waitsForModels {
            bootstrap = bootstrap.serverChannelOption(.autoRead, value: false)
        }
        let opening: EventLoopFuture<any Channel> =
            switch listener.address {
            case .tcp(let host, let port): bootstrap.bind(host: host, port: port)
            case .unixSocket(let path):
                bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true)
            case .descriptor(let descriptor): bootstrap.withBoundSocket(descriptor)
            }
        let channel: any Channel
        do {
            channel = try await opening.get()
        } catch {
            throw .cannotListen(address: listener.description, reason: "\(error)")
        }
        state.withLock { state in
            state.quiescing.append(quiescing)
            if listener.waitsForModels { state.waiting.append(channel) }
        }
        let address = channel.localAddress
        let host = address?.ipAddress.map { $0.contains(":") ? "[\($0)]" : $0 }
        let text = host.map { "\($0):\(address?.port ?? 0)" } ?? address?.pathname
        return BoundListener(
            role: listener.role, address: text ?? listener.description, port: address?.port,
            isOnNetwork: !(address?.isOfThisMachine ?? true))
    }

    private func bootstrap(
        _ role: HTTPServerConfiguration.Listener.Role, _ group: MultiThreadedEventLoopGroup,
        _ quiescing: ServerQuiescingHelper
    ) -> ServerBootstrap {
        let server = server
        let loops = state.withLock { $0.loops }
        return ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 4096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    // Without descriptors, looking again at once would find none.
                    try pipeline.addHandler(AcceptBackoffHandler())
                    try pipeline.addHandler(
                        quiescing.makeServerChannelHandler(channel: channel))
                }
            }
            .childChannelOption(.recvAllocator, value: ReceiveBuffers())
            .childChannelOption(.maxMessagesPerRead, value: 1)
            // A large answer goes out in pieces, with the other connections between them.
            .childChannelOption(.writeSpin, value: 2)
            // A client that has said all may still listen.
            .childChannelOption(.allowRemoteHalfClosure, value: role != .grpc)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let loop = loops.first(where: { $0.eventLoop === channel.eventLoop })
                    else { throw ServerError.stopping }
                    // Who waits for nothing makes room for who wants something.
                    guard server.admission.admit(role, replacing: loop.value.evictIdle) else {
                        throw ServerError.tooManyConnections
                    }
                    channel.closeFuture.whenComplete { _ in server.admission.release(role) }
                    switch role {
                    case .inference, .metrics:
                        try HTTPPipeline.configure(
                            channel, HTTPConnection(server: server, loop: loop.value, role: role),
                            server.configuration)
                    case .grpc:
                        try GRPCPipeline.configure(channel, server: server, loop: loop.value)
                    }
                }
            }
    }

    // MARK: Life

    /// Accepts connections on sockets that somebody else opened, where clients may have been waiting
    /// since a former process closed: what they ask for is there now.
    public func acceptWaiting() {
        let channels = state.withLock { state in
            defer { state.waiting = [] }
            return state.waiting
        }
        for channel in channels { channel.setOption(.autoRead, value: true).cascade(to: nil) }
    }

    /// Visits every event loop and then calls back: proof that all of them turn.
    public func probeEventLoops(_ done: @escaping @Sendable () -> Void) {
        Self.visit(state.withLock { $0.loops.map(\.eventLoop) }[...], done)
    }

    private static func visit(
        _ loops: ArraySlice<any EventLoop>, _ done: @escaping @Sendable () -> Void
    ) {
        guard let next = loops.first else {
            done()
            return
        }
        next.execute { visit(loops.dropFirst(), done) }
    }

    /// One in so many requests, and every error, gets an access line from now on; 0 = none.
    public func setAccessLogSample(_ sample: Int) { server.accessLog.setSample(sample) }

    /// Says "not ready" from now on, while everything goes on being answered.
    public func announceShutdown() { server.useCases.stop() }

    /// Stops accepting, closes idle connections, and waits for the requests in flight.
    ///
    /// - Returns: whether all of them were answered in time; the others are cut off.
    public func shutdown(gracePeriod: Duration) async -> Bool {
        announceShutdown()
        let (group, loops) = state.withLock { state in
            defer { state.group = nil }
            return (state.group, state.loops)
        }
        guard let group else { return true }
        let closed = beginClosing(on: group)
        let isDrained = await Self.isComplete(closed, within: gracePeriod)
        for loop in loops {
            loop.eventLoop.execute {
                loop.value.closeAll()
                loop.value.stop()
            }
        }
        let end = ContinuousClock.now + Self.cancellationPeriod
        _ = await Self.isComplete(closed, within: Self.cancellationPeriod)
        // A loop that has stopped must not be called; one that is not needed any more does no harm.
        while !server.isIdle {
            guard ContinuousClock.now < end else {
                logger.warning("requests that were cut off are still in work")
                return false
            }
            try? await Task.sleep(for: .milliseconds(2))
        }
        do {
            try await group.shutdownGracefully()
        } catch {
            logger.warning("event loops did not stop cleanly: \(error)")
        }
        return isDrained
    }

    /// The least time that models get to notice that nobody waits for their answers.
    private static let cancellationPeriod = Duration.seconds(1)

    /// Closes the listeners and asks the connections to end. Lets go of the helpers, which call
    /// their loops at their end.
    ///
    /// - Returns: when all of them are closed.
    private func beginClosing(on group: MultiThreadedEventLoopGroup) -> EventLoopFuture<Void> {
        let quiescing = state.withLock { state in
            defer { state.quiescing = [] }
            return state.quiescing
        }
        let eventLoop = group.next()
        let closed = quiescing.map { helper in
            let promise = eventLoop.makePromise(of: Void.self)
            helper.initiateShutdown(promise: promise)
            return promise.futureResult
        }
        return EventLoopFuture.andAllComplete(closed, on: eventLoop)
    }

    private static func isComplete(
        _ future: EventLoopFuture<Void>, within limit: Duration
    ) async -> Bool {
        let complete = future.eventLoop.makePromise(of: Bool.self)
        let timeout = future.eventLoop.scheduleTask(in: TimeAmount(limit)) {
            complete.succeed(false)
        }
        future.whenComplete { _ in
            timeout.cancel()
            complete.succeed(true)
        }
        return (try? await complete.futureResult.get()) ?? false
    }
}

extension HTTPServerConfiguration.Listener: CustomStringConvertible {
    public var description: String {
        switch address {
        case .tcp(let host, let port): "\(host):\(port)"
        case .unixSocket(let path): path
        case .descriptor(let descriptor): "descriptor \(descriptor)"
        }
    }
}
