import ApusConfiguration
import Glibc
import Logging
import Synchronization

/// The process's log: format and target chosen once, level changeable while it runs.
final class DaemonLog: Sendable {
    private let format: any LogRecordFormat
    private let writer: LogWriter
    private let levelIndex: Atomic<Int>

    /// - Parameter environment: tells whether stderr is the journal (`JOURNAL_STREAM`) and whether
    ///   colours are unwanted (`NO_COLOR`).
    init(_ settings: LoggingSection, environment: [String: String]) {
        let isTerminal = isatty(STDERR_FILENO) == 1
        let isJournal = settings.logFormat == .journald || Self.stderrIsJournal(environment)
        switch settings.logFormat {
        case .json:
            format = JSONLogFormat()
            writer = LogWriter(target: .descriptor(STDERR_FILENO))
        case .auto where isJournal, .journald:
            if let address = UnixDatagramAddress(path: "/run/systemd/journal/socket") {
                format = JournalLogFormat()
                writer = LogWriter(target: .journal(address))
            } else {
                format = TextLogFormat(isColoured: false, hasPriorityPrefix: true)
                writer = LogWriter(target: .descriptor(STDERR_FILENO))
            }
        case .auto, .text:
            format = TextLogFormat(isColoured: isTerminal && environment["NO_COLOR"] == nil)
            writer = LogWriter(target: .descriptor(STDERR_FILENO))
        }
        levelIndex = Atomic(Self.index(of: settings.logLevel))
    }

    /// The level of every logger made by `makeLogger`.
    var level: Logger.Level {
        get { Logger.Level.allCases[levelIndex.load(ordering: .relaxed)] }
    }

    /// Changes the level of every logger, also of those that exist.
    func setLevel(_ level: LogLevel) {
        levelIndex.store(Self.index(of: level), ordering: .relaxed)
    }

    func makeLogger(_ label: String) -> Logger {
        Logger(label: label) { _ in DaemonLogHandler(log: self) }
    }

    func write(_ record: LogRecord) { writer.write(format.bytes(of: record)) }

    /// Returns when everything logged before is out.
    func flush() { writer.flush() }

    private static func index(of level: LogLevel) -> Int {
        Logger.Level.allCases.firstIndex { $0.rawValue == level.rawValue } ?? 0
    }

    /// Whether stderr is the journal's stream: `JOURNAL_STREAM` is its `device:inode`.
    private static func stderrIsJournal(_ environment: [String: String]) -> Bool {
        guard let stream = environment["JOURNAL_STREAM"] else { return false }
        var status = stat()
        guard fstat(STDERR_FILENO, &status) == 0 else { return false }
        return stream == "\(status.st_dev):\(status.st_ino)"
    }
}

/// The handler behind each logger: fields of its own, everything else of the process's log.
private struct DaemonLogHandler: LogHandler {
    let log: DaemonLog
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    private var ownLevel: Logger.Level?

    init(log: DaemonLog) { self.log = log }

    /// The process's level, unless this logger was given its own.
    var logLevel: Logger.Level {
        get { ownLevel ?? log.level }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let provided = metadataProvider?.get() ?? [:]
        log.write(LogRecord(event, metadata: metadata.merging(provided) { $1 }))
    }
}
