/// What the headers of a request say about who sent it.
struct AccessHeaders: Sendable {
    /// `Host`, or `:authority`; nil = none.
    private(set) var host: String?
    private(set) var hostCount = 0
    /// The page that sent the request, if a browser says so.
    private(set) var origin: String?
    /// `same-origin`, `same-site`, `cross-site` or `none`, from a browser.
    private(set) var fetchSite: String?
    /// Whether a proxy passed it on for somebody else.
    private(set) var isForwarded = false
    /// What a browser asks leave for, before it sends the request itself.
    private(set) var wantedMethod: String?
    private(set) var wantedHeaders: String?

    mutating func noteHost(_ value: String) {
        host = value
        hostCount += 1
    }

    /// Keeps a header if it is one of these.
    ///
    /// - Parameter name: in any case.
    /// - Returns: whether it is.
    mutating func note(_ name: String, _ value: String) -> Bool {
        // The length tells nearly all names apart.
        switch name.utf8.count {
        case 6 where name.equals("origin"): origin = value
        case 9 where name.equals("forwarded"): isForwarded = true
        case 14 where name.equals("sec-fetch-site"): fetchSite = value
        case 15 where name.equals("x-forwarded-for"): isForwarded = true
        case 29 where name.equals("access-control-request-method"): wantedMethod = value
        case 30 where name.equals("access-control-request-headers"): wantedHeaders = value
        default: return false
        }
        return true
    }
}
