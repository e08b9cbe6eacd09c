/// Where the server listens and what it allows.
public struct HTTPServerConfiguration: Sendable, Hashable {
    /// A port or socket, and what it answers.
    public struct Listener: Sendable, Hashable {
        public enum Address: Sendable, Hashable {
            /// Port 0 = any free port.
            case tcp(host: String, port: Int)
            /// A stale socket file is replaced.
            case unixSocket(path: String)
            /// A bound, listening socket that somebody else opened; the server closes it.
            case descriptor(Int32)
        }

        public enum Role: String, Sendable, Hashable {
            /// Every route.
            case inference
            /// Metrics and health only.
            case metrics
            /// gRPC over HTTP/2 without TLS.
            case grpc
        }

        public var address: Address
        public var role: Role
        /// Whether nobody is accepted before `HTTPServer.acceptWaiting`.
        public var waitsForModels = false

        public init(_ address: Address, role: Role = .inference) {
            self.address = address
            self.role = role
        }
    }

    public var listeners: [Listener]
    /// Threads that read and write sockets.
    public var eventLoopCount = 1
    /// Open connections; further ones are closed at once.
    public var connectionCountMax = 8192
    /// Bytes of one request body.
    public var bodyByteCountMax = 64 << 20
    /// Bytes of all request bodies that are held at the same time, received or in work.
    public var bodyMemoryByteCountMax = 2 << 30
    /// Bytes of those of one client.
    public var clientBodyMemoryByteCountMax = 1 << 30
    /// Whether a client is an address, not a connection.
    public var sharesBodyMemoryByAddress = false
    /// Bytes of all header lines of a request.
    public var headerByteCountMax = 64 << 10
    /// Header lines of a request.
    public var headerCountMax = 128
    /// Requests of one connection that are in work at the same time.
    public var pipelinedRequestCountMax = 16
    /// Longest time for a whole request to arrive, from its first byte.
    public var requestTimeout = Duration.seconds(60)
    /// Longest time in which a client takes nothing of its answer.
    public var writeTimeout = Duration.seconds(60)
    /// Longest time that a connection without a request stays open.
    public var idleTimeout = Duration.seconds(300)
    /// How long a connection may stay open without a request while the server stops: a request that is
    /// on its way is answered, and the answer says that it was the last.
    public var drainGrace = Duration.zero
    /// While the server stops: longest time in which a client sends nothing of the rest of a request, or
    /// takes nothing of its answer.
    var drainPatience: Duration { max(drainGrace, .seconds(1)) }
    /// Longest time in which a client takes nothing of its answer.
    func patience(isDraining: Bool) -> Duration {
        isDraining ? min(writeTimeout, drainPatience) : writeTimeout
    }
    /// One in this many requests, and every error, gets an access line; 0 = none.
    public var accessLogSample = 0
    /// Whether clients may register system shared memory, and have inputs read and outputs written
    /// there.
    public var allowsSharedMemory = false
    /// Whether callers on other machines may load and unload models, change settings, and the like.
    public var allowsRemoteControl = false
    /// Names that ports on loopback addresses are asked by, beside `localhost` and addresses.
    public var allowedHosts: [String] = []
    /// Origins whose pages may send requests and read answers, `https://host:port` each; `*` = any,
    /// for what changes nothing.
    public var corsAllowedOrigins: [String] = []
    /// Which other servers' clients are understood.
    public var dialects = DialectSettings()
    /// What holds for gRPC alone.
    public var grpc = GRPCConfiguration()
    /// How requests are traced at the start.
    public var trace = TraceConfiguration()
    /// The name in the server's metadata.
    public var serverName = "apus"
    /// The version in the server's metadata.
    public var serverVersion = "0"

    public init(listeners: [Listener]) { self.listeners = listeners }
}

/// The file for traces of requests, and which of them are traced until a client changes that.
public struct TraceConfiguration: Sendable, Hashable {
    /// Empty = tracing cannot be switched on.
    public var file: String
    public var isOn = false
    /// One request in so many.
    public var rate: UInt64 = 1000
    /// How many are traced; -1 = without end.
    public var count: Int64 = -1
    /// Traces of a file, after which a new one begins; 0 = one file.
    public var logFrequency: UInt64 = 0

    public init(file: String = "") { self.file = file }
}

/// What gRPC allows beside the limits that hold for HTTP as well.
public struct GRPCConfiguration: Sendable, Hashable {
    /// Bytes of one message, after decompression.
    public var messageByteCountMax = 64 << 20
    /// Calls of one connection at the same time.
    public var streamCountMax = 1000
    /// Requests of one stream that are in work at the same time.
    public var streamedRequestCountMax = 128
    /// A ping asks after a connection that has been quiet for so long.
    public var keepaliveTime = Duration.seconds(7200)
    /// Longest time for the answer to a ping.
    public var keepaliveTimeout = Duration.seconds(20)
    /// A connection is asked to end after so long; zero = never.
    public var connectionAgeMax = Duration.zero
    /// 1 (fast) to 9 (small) for answers to clients that accept them compressed; 0 = never.
    public var compressionLevel = 0

    public init() {}
}

/// A port or socket that the server listens on.
public struct BoundListener: Sendable, Hashable, CustomStringConvertible {
    public let role: HTTPServerConfiguration.Listener.Role
    /// `host:port` or the path of a unix socket.
    public let address: String
    /// Nil for unix sockets.
    public let port: Int?
    /// Whether other machines can reach it.
    public let isOnNetwork: Bool

    public var description: String { "\(role.rawValue) \(address)" }
}
