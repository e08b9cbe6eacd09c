/// What has to serve for the server to count as ready.
public enum StrictReadiness: String, Sendable, Hashable, CaseIterable {
    /// One model, if any should, and each that was named at start until it has served.
    case start
    /// Every model that should.
    case models
    /// Nothing; it is enough that every model was tried.
    case none
}

/// Where the daemon listens, what it accepts, and how it stops.
public struct ServerSection: Sendable, Hashable {
    public var httpAddress = "127.0.0.1"
    /// 0 = any free port.
    public var httpPort = 8000
    /// Path of a unix socket to listen on as well; empty = none.
    public var unixSocket = ""
    /// Whether the gRPC port is open.
    public var allowGRPC = true
    /// Empty = the HTTP address.
    public var grpcAddress = ""
    /// 0 = any free port.
    public var grpcPort = 8001
    /// Bytes of one message of gRPC, after decompression.
    public var grpcMaxMessageSize = 64 << 20
    /// Calls of one gRPC connection at the same time.
    public var grpcMaxStreams = 1000
    /// A ping asks after a gRPC connection that has been quiet for so long.
    public var grpcPingInterval = Duration.seconds(7200)
    /// Longest time for the answer to a ping.
    public var grpcPingTimeout = Duration.seconds(20)
    /// A gRPC connection is asked to end after so long; zero = never.
    public var grpcMaxAge = Duration.zero
    /// 1 (fast) to 9 (small) for answers to clients that accept them compressed; 0 = never.
    public var grpcCompressionLevel = 0
    /// Whether the metrics port is open; `/metrics` on the HTTP port always answers.
    public var allowMetrics = true
    /// Empty = the HTTP address.
    public var metricsAddress = ""
    /// 0 = any free port.
    public var metricsPort = 8002
    /// Threads that read and write sockets; 0 = from the core budget.
    public var eventLoops = 0
    public var maxConnections = 8192
    /// Bytes of one request body.
    public var maxBodySize = 64 << 20
    /// Bytes of all request bodies; 0 = from the memory limit.
    public var maxBodyMemory = 0
    /// Bytes of those of one client; 0 = from `maxBodyMemory`.
    public var maxClientBodyMemory = 0
    /// What is one client.
    public var bodyMemoryClient = BodyMemoryClient.connection
    /// Longest time for a whole request to arrive.
    public var requestTimeout = Duration.seconds(60)
    /// Longest time for a client to take the answer while nothing moves.
    public var writeTimeout = Duration.seconds(60)
    /// Longest time that a connection without a request stays open.
    public var idleTimeout = Duration.seconds(300)
    public var strictReadiness = StrictReadiness.start
    /// Whether clients on this machine may register shared memory.
    public var allowSharedMemory = false
    /// Whether callers on other machines may control the server.
    public var allowRemoteControl = false
    /// Names that loopback ports are asked by, beside `localhost` and addresses.
    public var allowedHosts: [String] = []
    /// Origins whose pages may use the server.
    public var corsAllowedOrigins: [String] = []
    /// Other servers whose clients are understood; earlier ones win.
    public var dialects = DialectName.allCases.filter { $0 != .none }
    /// What requests without a model's name mean; empty = the only one that serves.
    public var defaultModel = ""
    /// Form of SageMaker answers to requests that name none; empty = that of the request.
    public var defaultAccept = ""
    /// Empty = none.
    public var vertexHealthRoute = ""
    /// Empty = none.
    public var vertexPredictRoute = ""
    /// How long everything goes on being answered at shutdown, while readiness says no.
    public var shutdownDelay = Duration.zero
    /// How long kept-alive connections wait for another request at shutdown.
    public var shutdownGrace = Duration.seconds(2)
    /// Longest time for requests in flight at shutdown.
    public var exitTimeout = Duration.seconds(30)

    /// Ports that cannot be opened both.
    func portContradictions() -> [(key: String, message: String)] {
        var ports = [(name: "http_port", port: httpPort, address: httpAddress, advice: "")]
        if allowGRPC {
            let address = grpcAddress.isEmpty ? httpAddress : grpcAddress
            ports.append(("grpc_port", grpcPort, address, ", or allow_grpc: false"))
        }
        if allowMetrics {
            let address = metricsAddress.isEmpty ? httpAddress : metricsAddress
            let advice = ", or allow_metrics: false: the HTTP port answers /metrics too"
            ports.append(("metrics_port", metricsPort, address, advice))
        }
        var found: [(key: String, message: String)] = []
        for (index, later) in ports.enumerated() where later.port != 0 {
            guard
                let earlier = ports[..<index].first(where: {
                    $0.port == later.port && $0.address == later.address
                })
            else { continue }
            found.append(
                (
                    "server.\(later.name)",
                    "is the same as server.\(earlier.name) (\(later.port)); choose another"
                        + later.advice
                ))
        }
        return found
    }

    static let keys: [ConfigurationKey] =
        listeningKeys + grpcKeys + limitKeys + bodyMemoryKeys + accessKeys + dialectKeys

    private static let listeningKeys: [ConfigurationKey] = [
        .init(
            "server", "http_address", \.server.httpAddress, .text("<address>"),
            "Address or host name of the HTTP endpoint. The default is this machine only; 0.0.0.0 "
                + "or :: listens on every interface."),
        .init(
            "server", "http_port", \.server.httpPort,
            .integer(0...65_535, placeholder: "<port>", meaningOfZero: "any free port"),
            "Port of the HTTP endpoint."),
        .init(
            "server", "unix_socket", \.server.unixSocket, .text("<path>"),
            "Path of a unix socket that answers HTTP as well; empty = none."),
        .init(
            "server", "allow_metrics", \.server.allowMetrics, .boolean,
            "Open the metrics port. /metrics on the HTTP port answers in any case."),
        .init(
            "server", "metrics_address", \.server.metricsAddress, .text("<address>"),
            "Address of the metrics port; empty = the HTTP address."),
        .init(
            "server", "metrics_port", \.server.metricsPort,
            .integer(0...65_535, placeholder: "<port>", meaningOfZero: "any free port"),
            "Port that answers /metrics for Prometheus and the health routes."),
        .init(
            "server", "event_loops", \.server.eventLoops,
            .integer(0...256, meaningOfZero: "from the core budget"),
            "Threads that read and write sockets."),
    ]

    private static let limitKeys: [ConfigurationKey] = [
        .init(
            "server", "max_connections", \.server.maxConnections, .integer(1...1_000_000),
            "Open connections; further ones are closed at once."),
        .init(
            "server", "max_body_size", \.server.maxBodySize, .byteCount(1_024...(4 << 30)),
            "Largest request body; a larger one is answered with 413."),
        .init(
            "server", "request_timeout", \.server.requestTimeout,
            .duration(.milliseconds(100)...(.seconds(86_400))),
            "Longest time for a whole request to arrive, from its first byte; then 408."),
        .init(
            "server", "write_timeout", \.server.writeTimeout,
            .duration(.milliseconds(100)...(.seconds(86_400))),
            "Longest time for a client to take its answer while nothing moves; then the "
                + "connection is closed."),
        .init(
            "server", "idle_timeout", \.server.idleTimeout,
            .duration(.milliseconds(100)...(.seconds(86_400))),
            "Longest time that a kept-alive connection stays open without a request."),
        .init(
            "server", "strict_readiness", \.server.strictReadiness,
            .choice(true: .start, false: .none),
            "What readiness waits for once every model found at start has been tried. start: that "
                + "one serves, and each that was named (load_model, model_path, "
                + "model_config_file) has served; models: that every one serves; none: nothing."),
        .init(
            "server", "allow_shared_memory", \.server.allowSharedMemory, .boolean,
            "Clients on this machine may register system shared memory, and have inputs read and "
                + "outputs written there. Any client that reaches a port may then name any shared "
                + "memory object that the daemon's user can open."),
        .init(
            "server", "shutdown_delay", \.server.shutdownDelay,
            .duration(.zero...(.seconds(3_600))),
            "When the daemon is told to stop: how long it goes on taking connections and requests "
                + "while readiness says no, so that load balancers look elsewhere first."),
        .init(
            "server", "shutdown_grace", \.server.shutdownGrace,
            .duration(.zero...(.seconds(60))),
            "Then: how long connections without a request stay open. A request that comes meanwhile "
                + "is answered, with Connection: close. A client that sends nothing of the rest of a "
                + "request, or takes nothing of its answer, is given up after the same time, but "
                + "not before a second."),
        .init(
            "server", "exit_timeout", \.server.exitTimeout,
            .duration(.zero...(.seconds(3_600))),
            "Longest time for requests in flight to finish when the daemon stops, after "
                + "shutdown_delay; then they are cut off."),
    ]
}
