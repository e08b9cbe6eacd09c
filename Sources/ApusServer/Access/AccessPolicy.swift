/// Who may ask for what: the settings, and the rules that follow from them.
///
/// A browser sends what any page tells it to, from the machine of whoever looks at that page; so
/// being asked from this machine is no proof that somebody on it wants that.
///
/// - Source: Go, `net/http.CrossOriginProtection`; WHATWG, "Fetch", CORS protocol.
struct AccessPolicy: Sendable {
    /// Whether callers on other machines may control the server.
    let allowsRemoteControl: Bool
    /// Names that ports of this machine only are asked by, beside `localhost` and addresses.
    private let hosts: Set<String>
    /// Of pages whose requests are answered; `*` = any, for what controls nothing.
    private let origins: Set<String>

    init(allowsRemoteControl: Bool, hosts: [String], origins: [String]) {
        self.allowsRemoteControl = allowsRemoteControl
        self.hosts = Set(hosts.map { $0.lowercased() })
        self.origins = Set(origins.map { $0.lowercased() })
    }

    /// Whether the pages of an origin may read answers.
    func shares(with origin: String) -> Bool {
        guard !origins.isEmpty else { return false }
        return origins.contains("*") || origins.contains(origin.lowercased())
    }

    /// Whether a request that does something comes from a page of another site.
    func isForeign(_ headers: AccessHeaders, _ effect: AccessEffect) -> Bool {
        if let origin = headers.origin?.lowercased(), !origins.isEmpty {
            if origins.contains(origin) { return false }
            if effect != .controls, origins.contains("*") { return false }
        }
        if let site = headers.fetchSite { return !(site == "same-origin" || site == "none") }
        guard let origin = headers.origin else { return false }
        guard let scheme = origin.firstRange(of: "://") else { return true }
        return origin[scheme.upperBound...].lowercased() != headers.host?.lowercased()
    }

    /// Whether a port of this machine only may be asked by a name.
    ///
    /// - Parameter host: with or without a port.
    func knows(host: String) -> Bool {
        let name = Self.name(in: host)
        // Programs that send none are no browsers.
        if name.isEmpty || Self.isAddress(name) { return true }
        let lower = name.lowercased()
        return lower == "localhost" || lower.hasSuffix(".localhost") || hosts.contains(lower)
    }

    /// The host without its port and without a dot at its end.
    private static func name(in host: String) -> Substring {
        if host.hasPrefix("["), let end = host.firstIndex(of: "]") { return host[...end] }
        let name = host.prefix { $0 != ":" }
        return name.hasSuffix(".") ? name.dropLast() : name
    }

    /// Four numbers, or anything in brackets: nothing that a name server can point elsewhere.
    private static func isAddress(_ name: Substring) -> Bool {
        if name.hasPrefix("[") { return true }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
    }
}
