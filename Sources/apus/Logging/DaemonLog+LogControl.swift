import ApusConfiguration
import ApusServer
import Logging

/// Clients may change the level, as SIGHUP does.
extension DaemonLog: LogControl {
    func setLevel(_ level: Logger.Level) {
        if let level = LogLevel(rawValue: level.rawValue) { setLevel(level) }
    }
}
