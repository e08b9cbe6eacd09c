import ApusCore
import Logging

/// One log statement, flattened for the formats.
struct LogRecord: Sendable {
    /// Milliseconds since 1970.
    let wallMilliseconds: UInt64
    let level: Logger.Level
    let message: String
    /// Metadata by key, ascending.
    let fields: [(key: String, value: String)]
    let file: String
    let line: UInt

    init(
        wallMilliseconds: UInt64, level: Logger.Level, message: String,
        fields: [(key: String, value: String)], file: String = "", line: UInt = 0
    ) {
        self.wallMilliseconds = wallMilliseconds
        self.level = level
        self.message = message
        self.fields = fields
        self.file = file
        self.line = line
    }

    init(_ event: LogEvent, metadata: Logger.Metadata) {
        var all = event.metadata.map { metadata.merging($0) { $1 } } ?? metadata
        if let error = event.error { all["error"] = "\(error)" }
        self.init(
            wallMilliseconds: MonotonicClock.wallMilliseconds(), level: event.level,
            message: event.message.description,
            fields: all.map { (key: $0.key, value: $0.value.description) }
                .sorted { $0.key < $1.key },
            file: event.file, line: event.line)
    }
}

/// How records become bytes.
protocol LogRecordFormat: Sendable {
    func bytes(of record: LogRecord) -> [UInt8]
}

extension Logger.Level {
    /// Syslog's severity, 0 (emergency) to 7 (debug).
    ///
    /// - Source: RFC 5424, 6.2.1.
    var syslogPriority: Int {
        switch self {
        case .critical: 2
        case .error: 3
        case .warning: 4
        case .notice: 5
        case .info: 6
        case .debug, .trace: 7
        }
    }
}
