import ApusCore
public import Logging

/// What the daemon lets clients change of its log.
public protocol LogControl: Sendable {
    /// Severity below which nothing is logged.
    var level: Logger.Level { get }

    func setLevel(_ level: Logger.Level)
}

/// The log's level in Triton's words. A level includes all that are more severe: what is logged is
/// told by the least severe one that is on.
///
/// - Source: Triton, logging extension.
struct LogSettings: Sendable, Equatable {
    var logsInfo: Bool
    var logsWarnings: Bool
    var logsErrors: Bool
    /// 1 = debug, from 2 on = trace.
    var verboseLevel: UInt64

    init(_ level: Logger.Level) {
        logsInfo = level <= .info
        logsWarnings = level <= .warning
        logsErrors = level <= .error
        verboseLevel = level == .trace ? 2 : level == .debug ? 1 : 0
    }

    var level: Logger.Level {
        if verboseLevel > 0 { return verboseLevel == 1 ? .debug : .trace }
        if logsInfo { return .info }
        if logsWarnings { return .warning }
        return logsErrors ? .error : .critical
    }

    /// The names and values of all settings, as the protocols show them. The log has times as in
    /// ISO 8601, and goes where the configuration says.
    var values: [(name: String, value: ParameterValue)] {
        [
            ("log_file", .string("")), ("log_info", .bool(logsInfo)),
            ("log_warning", .bool(logsWarnings)), ("log_error", .bool(logsErrors)),
            ("log_verbose_level", .uint64(verboseLevel)), ("log_format", .string("ISO8601")),
        ]
    }

    /// Takes in a setting as a client gives it.
    mutating func set(_ name: String, _ value: ParameterValue) throws(LogSettingsError) {
        switch (name, value) {
        case ("log_info", .bool(let isOn)): logsInfo = isOn
        case ("log_warning", .bool(let isOn)): logsWarnings = isOn
        case ("log_error", .bool(let isOn)): logsErrors = isOn
        case ("log_verbose_level", .int64(let level)) where level >= 0:
            verboseLevel = UInt64(level)
        case ("log_verbose_level", .uint64(let level)): verboseLevel = level
        case ("log_verbose_level", .double(let level)) where UInt64(exactly: level) != nil:
            // JSON does not tell 2.0 from 2.
            verboseLevel = UInt64(level)
        case ("log_format", .string("default")), ("log_format", .string("ISO8601")): break
        case ("log_file", _): throw .fileIsFixed
        case ("log_info", _), ("log_warning", _), ("log_error", _):
            throw .invalid(name, "true or false")
        case ("log_verbose_level", _): throw .invalid(name, "a non-negative integer")
        case ("log_format", _): throw .invalid(name, "\"default\" or \"ISO8601\"")
        default: throw .unknown(name)
        }
    }
}

/// What is wrong with a change of the log settings.
enum LogSettingsError: ServingError, Equatable {
    case fileIsFixed
    case notOffered
    case invalid(String, String)
    case unknown(String)

    var kind: ErrorKind {
        switch self {
        case .fileIsFixed, .notOffered: .unsupported
        case .invalid, .unknown: .invalidArgument
        }
    }

    var message: String {
        switch self {
        case .fileIsFixed: "log setting \"log_file\" cannot be changed over the network"
        case .notOffered: "this server's log cannot be changed over the network"
        case .invalid(let name, let allowed): "log setting \"\(name)\" must be \(allowed)"
        case .unknown(let name):
            "log setting \"\(name)\" is unknown, expected log_info, log_warning, log_error, "
                + "log_verbose_level or log_format"
        }
    }
}

extension UseCases {
    func logSettings() -> LogSettings { LogSettings(logControl?.level ?? .info) }

    /// - Returns: all settings as they are now.
    func changeLogSettings(
        _ changes: [String: ParameterValue]
    ) throws(LogSettingsError) -> LogSettings {
        guard let logControl else { throw .notOffered }
        var settings = logSettings()
        for (name, value) in changes { try settings.set(name, value) }
        if !changes.isEmpty { logControl.setLevel(settings.level) }
        return settings
    }
}
