import ApusConfiguration
import ApusCore

/// Reads the configuration again and tells what changed since it was read last.
final class ConfigurationReload: Sendable {
    struct Changes {
        let settings: Settings
        /// Keys that take effect while the daemon runs.
        let applied: [ConfigurationKey]
        /// Keys whose new value waits for a restart.
        let waiting: [ConfigurationKey]
    }

    private let current: Guarded<Configuration>
    private let sources: Configuration.Sources

    init(_ configuration: Configuration, sources: Configuration.Sources) {
        current = Guarded(configuration)
        self.sources = sources
    }

    /// - Throws: every mistake in the sources; nothing has changed then.
    func run() throws(ConfigurationError) -> Changes {
        let loaded = try Configuration.load(sources)
        let changed = current.withLock { current in
            defer { current = loaded }
            return loaded.changedKeys(from: current)
        }
        return Changes(
            settings: loaded.settings, applied: changed.filter(\.isReloadable),
            waiting: changed.filter { !$0.isReloadable })
    }
}
