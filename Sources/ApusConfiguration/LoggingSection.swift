/// Severity below which nothing is logged.
public enum LogLevel: String, Sendable, Hashable, CaseIterable {
    case trace, debug, info, notice, warning, error, critical
}

/// How log lines look.
public enum LogFormat: String, Sendable, Hashable, CaseIterable {
    /// Journal fields under systemd, else text.
    case auto
    case text
    case json
    case journald
}

/// What is logged and how.
public struct LoggingSection: Sendable, Hashable {
    public var logLevel = LogLevel.info
    public var logFormat = LogFormat.auto
    /// One in this many requests gets an access line; 0 = none. Failures are logged in any case.
    public var accessLogSample = 0
    /// Path of the file for traces of requests; empty = they cannot be switched on.
    public var traceFile = ""

    static let keys: [ConfigurationKey] = [
        .init(
            "logging", "log_level", \.logging.logLevel, .choice, reloadable: true,
            "Severity below which nothing is logged."),
        .init(
            "logging", "log_format", \.logging.logFormat, .choice,
            "auto: journal fields when systemd runs the daemon, else text."),
        .init(
            "logging", "access_log_sample", \.logging.accessLogSample,
            .integer(0...1_000_000_000, meaningOfZero: "none"), reloadable: true,
            "One in this many requests gets an access line; 1 = every request."),
        .init(
            "logging", "trace_file", \.logging.traceFile, .text("<path>"),
            "File for traces of requests, in Triton's form; clients switch them on by "
                + "/v2/trace/setting. Empty = they cannot."),
    ]
}
