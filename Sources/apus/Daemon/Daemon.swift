import ApusConfiguration
import Logging

/// The daemon: builds the parts, runs until a signal, drains.
enum Daemon {
    static func run(_ configuration: Configuration, sources: Configuration.Sources) async -> Int32 {
        let log = DaemonLog(
            configuration.settings.logging, environment: sources.environment)
        log.makeLogger("apus").info("starting", metadata: ["version": "\(ApusVersion.text)"])
        log.flush()
        return 0
    }
}
