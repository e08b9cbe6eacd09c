import Glibc

/// Listening sockets that the service manager opened for us, so that a restart refuses nobody.
///
/// - Source: systemd `sd_listen_fds(3)`.
struct SocketActivation: Sendable, Equatable {
    struct PassedSocket: Sendable, Equatable {
        let descriptor: Int32
        /// `FileDescriptorName=` of the socket unit.
        let name: String
        /// Port of an internet socket, else nil.
        let port: Int?
    }

    let sockets: [PassedSocket]

    private static let firstDescriptor: Int32 = 3

    /// Takes over the sockets that `environment` promises to this process.
    init(environment: [String: String]) {
        guard let process = environment["LISTEN_PID"].flatMap({ Int32($0) }), process == getpid(),
            let count = environment["LISTEN_FDS"].flatMap({ Int32($0) }), (1...256).contains(count)
        else {
            sockets = []
            return
        }
        let names = (environment["LISTEN_FDNAMES"] ?? "")
            .split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        sockets = (0..<count).map { index in
            let descriptor = Self.firstDescriptor + index
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            let position = Int(index)
            let name = names.indices.contains(position) ? names[position] : ""
            return PassedSocket(
                descriptor: descriptor, name: name, port: Self.port(of: descriptor))
        }
    }

    init(sockets: [PassedSocket]) { self.sockets = sockets }

    /// What a socket is for.
    enum Endpoint: Equatable {
        case http
        case grpc
        case metrics
    }

    /// The sockets for gRPC and for metrics are named so or on these ports; all others are for HTTP.
    func sockets(of endpoint: Endpoint, grpcPort: Int, metricsPort: Int) -> [Int32] {
        sockets.filter { socket in
            let meaning: Endpoint =
                switch (socket.name, socket.port) {
                case ("metrics", _), ("apus-metrics.socket", _): .metrics
                case ("grpc", _), ("apus-grpc.socket", _): .grpc
                case ("http", _): .http
                case (_, metricsPort): .metrics
                case (_, grpcPort): .grpc
                default: .http
                }
            return meaning == endpoint
        }.map(\.descriptor)
    }

    private static func port(of descriptor: Int32) -> Int? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let isKnown = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isKnown, [AF_INET, AF_INET6].contains(Int32(storage.ss_family)) else { return nil }
        return withUnsafeBytes(of: &storage) {
            Int(UInt16(bigEndian: $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
        }
    }
}
