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

/// What a trace of a request holds.
public enum TraceLevel: String, Sendable, Hashable, CaseIterable {
    case off
    case timestamps
}

/// What is logged and how.
public struct LoggingSection: Sendable, Hashable {
    public var logLevel = LogLevel.info
    public var logFormat = LogFormat.auto
    /// One in this many requests gets an access line; 0 = none. Failures are logged in any case.
    public var accessLogSample = 0
    /// Path of the file for traces of requests; empty = they cannot be switched on.
    public var traceFile = ""
    /// Whether requests are traced from the start.
    public var traceLevel = TraceLevel.off
    /// One request in so many is traced.
    public var traceRate = 1000
    /// How many are traced; -1 = without end.
    public var traceCount = -1
    /// Traces of a file, after which a new one begins; 0 = one file.
    public var traceLogFrequency = 0

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
        .init(
            "logging", "trace_level", \.logging.traceLevel, .choice,
            "Whether the stages of requests are traced from the start; needs trace_file."),
        .init(
            "logging", "trace_rate", \.logging.traceRate, .integer(1...1_000_000_000),
            "One request in this many is traced."),
        .init(
            "logging", "trace_count", \.logging.traceCount, .integer(-1...1_000_000_000),
            "How many requests are traced; -1 = without end."),
        .init(
            "logging", "trace_log_frequency", \.logging.traceLogFrequency,
            .integer(0...1_000_000_000, meaningOfZero: "one file for all"),
            "Traces of one file, after which a new one begins, numbered from 0."),
    ]
}
