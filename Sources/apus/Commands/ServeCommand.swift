import ApusConfiguration
import ArgumentParser
import Glibc

/// `apus serve`: reads the configuration and runs the daemon until it is told to stop.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve the models of one or more repositories until told to stop.",
        usage: "apus serve [<repository> ...] [<options>]",
        discussion: helpText, helpNames: [])

    /// Parsed by ApusConfiguration, where each option is declared once for flags, environment and
    /// file.
    @Argument(parsing: .captureForPassthrough, help: .hidden)
    var arguments: [String] = []

    func run() async throws {
        let words = arguments.prefix { $0 != "--" }
        if words.contains("--help") || words.contains("-h") {
            Output.write(Self.helpMessage(columns: 100) + "\n")
            return
        }
        let sources = Configuration.Sources.process(arguments: arguments)
        let configuration: Configuration
        do {
            configuration = try Configuration.load(sources)
        } catch {
            Output.writeError(error.problems.map { "error: \($0)\n" }.joined())
            throw ExitCode(DaemonExitCode.badConfiguration)
        }
        if configuration.isPrintRequested {
            Output.write(ConfigurationText.values(of: configuration))
            return
        }
        throw ExitCode(await Daemon.run(configuration, sources: sources))
    }

    private static let helpText = """
        Listens first, then loads. A model or version that is copied in while the
        daemon runs serves as soon as it has settled. SIGTERM drains and ends,
        SIGHUP reads the configuration again.

        EXAMPLES:
          apus serve models
          apus serve --http-port 9000 --metrics-port 9002 --log-level debug models
          apus serve --config /etc/apus/apus.yaml --print-config

        GENERAL OPTIONS:
          --config <path>
                Configuration file. (default: $CONFIGURATION_DIRECTORY/apus.yaml,
                else /etc/apus/apus.yaml, if it exists)
          --print-config
                Print every value and where it came from, and end.
          -h, --help
                Show this text.

        \(ConfigurationText.optionHelp())Triton's names (--model-store, --repository-poll-secs, …) \
        are understood as well.
        """
}

extension Configuration.Sources {
    /// The sources of this process.
    static func process(arguments: [String]) -> Self {
        let environment = ProcessEnvironment.current()
        let directories = (environment["CONFIGURATION_DIRECTORY"] ?? "").split(separator: ":")
        let files = directories.map { "\($0)/apus.yaml" } + ["/etc/apus/apus.yaml"]
        return Self(
            arguments: arguments, environment: environment, defaultFiles: files,
            readFile: { try TextFile.read($0) })
    }
}
