/// How `apus serve` ends; documented in docs/operations.md.
enum DaemonExitCode {
    /// Stopped on request, requests in flight answered or their time up.
    static let stopped: Int32 = 0
    /// Something failed that should not.
    static let failed: Int32 = 1
    /// A listener could not be opened (`EX_UNAVAILABLE`).
    static let cannotListen: Int32 = 69
    /// Options, environment or file are wrong (`EX_CONFIG`).
    static let badConfiguration: Int32 = 78
}
