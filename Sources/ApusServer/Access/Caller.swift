import NIOCore

/// Who is at the other end of a connection, and what may be asked for from there. The one place where
/// that is decided, for HTTP and gRPC. Confined to the connection's event loop.
final class Caller {
    /// Whether the other end is a process on this machine.
    let isLocal: Bool
    /// Whether the port takes connections from this machine only.
    private let isPortLocal: Bool
    /// Whether it is a port at all, which browsers can reach.
    private let isPort: Bool
    private let policy: AccessPolicy
    /// The last name that was found to be known.
    private var knownHost: String?

    init(_ policy: AccessPolicy, isLocal: Bool, isPort: Bool, isPortLocal: Bool) {
        self.policy = policy
        self.isLocal = isLocal
        self.isPort = isPort
        self.isPortLocal = isPortLocal
    }

    convenience init(_ policy: AccessPolicy, _ channel: any Channel) {
        self.init(
            policy,
            isLocal: channel.remoteAddress?.isOfThisMachine
                ?? (channel.localAddress?.pathname != nil),
            isPort: channel.localAddress?.ipAddress != nil,
            isPortLocal: channel.parent?.localAddress?.isOfThisMachine ?? false)
    }

    /// Checks whether a request may have its effect.
    ///
    /// - Parameter isHTTP: whether browsers can send such requests.
    func check(
        _ effect: AccessEffect, _ headers: AccessHeaders, isHTTP: Bool = true
    ) throws(AccessProblem) {
        if effect != .reads, policy.isForeign(headers, effect) {
            throw .foreignPage(origin: headers.origin)
        }
        if effect == .controls {
            try checkControl(headers)
        } else if isHTTP, isPortLocal, isPort {
            try checkHost(headers)
        }
    }

    private func checkControl(_ headers: AccessHeaders) throws(AccessProblem) {
        guard isLocal, !headers.isForwarded else {
            if policy.allowsRemoteControl { return }
            throw .remoteControl
        }
        if isPort { try checkHost(headers) }
    }

    private func checkHost(_ headers: AccessHeaders) throws(AccessProblem) {
        guard let host = headers.host, host != knownHost else { return }
        guard policy.knows(host: host) else { throw .unknownHost(host) }
        knownHost = host
    }

    // MARK: Pages

    /// Header lines with which a page's browser lets it read the answer; none for other requests.
    func sharing(_ headers: AccessHeaders) -> [(name: String, value: String)] {
        guard let origin = headers.origin, policy.shares(with: origin) else { return [] }
        return [
            ("Access-Control-Allow-Origin", origin), ("Vary", "Origin"),
            (
                "Access-Control-Expose-Headers",
                "Inference-Header-Content-Length, Retry-After, X-Request-ID"
            ),
        ]
    }

    /// The answer to a browser that asks before it sends a page's request.
    func preflight(
        _ headers: AccessHeaders
    ) throws(AccessProblem) -> [(name: String, value: String)] {
        try check(.reads, headers)
        guard let origin = headers.origin, policy.shares(with: origin) else {
            throw .foreignPage(origin: headers.origin)
        }
        return [
            ("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE"),
            ("Access-Control-Allow-Headers", headers.wantedHeaders ?? "Content-Type"),
            ("Access-Control-Max-Age", "600"),
        ]
    }
}

extension SocketAddress {
    /// Whether it can only be reached from this machine: a unix socket, or the loopback network.
    var isOfThisMachine: Bool {
        if case .unixDomainSocket = self { return true }
        return withSockAddr { address, size in
            let bytes = UnsafeRawBufferPointer(start: address, count: size)
            switch self.protocol {
            case .inet: return bytes[4] == 127
            case .inet6:
                // Behind family, port and flow: 16 bytes.
                let (high, low) = (bytes[8..<18], bytes[18..<24])
                let isMapped =
                    high.allSatisfy { $0 == 0 } && low.prefix(2).allSatisfy { $0 == 0xff }
                if isMapped { return bytes[20] == 127 }
                return high.allSatisfy { $0 == 0 } && low.elementsEqual([0, 0, 0, 0, 0, 1])
            default: return false
            }
        }
    }
}
