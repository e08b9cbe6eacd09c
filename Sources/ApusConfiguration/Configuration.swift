/// Where a value came from; later cases win over earlier ones.
public enum ValueOrigin: Sendable, Hashable, CustomStringConvertible {
    case defaultValue
    case file(path: String, line: Int)
    case environment(name: String)
    case flag(String)

    public var description: String {
        switch self {
        case .defaultValue: "default"
        case .file(let path, let line): "\(path):\(line)"
        case .environment(let name): name
        case .flag(let flag): flag
        }
    }
}

/// The checked configuration: flags over environment over what a platform's variables say over file
/// over defaults.
public struct Configuration: Sendable, Hashable {
    public let settings: Settings
    /// Origins by key path (`server.http_port`); keys that are absent have their default.
    public let origins: [String: ValueOrigin]
    /// What is accepted but worth telling, one sentence each.
    public let warnings: [String]
    /// The file that was read, if any.
    public let filePath: String?
    /// Whether the caller asked to see the values instead of serving (`--print-config`).
    public let isPrintRequested: Bool

    /// Where the origin of a key's value is; `.defaultValue` if nothing set it.
    public func origin(of key: ConfigurationKey) -> ValueOrigin {
        origins[key.path] ?? .defaultValue
    }

    /// Keys whose values differ between two configurations.
    public func changedKeys(from other: Configuration) -> [ConfigurationKey] {
        Settings.keys.filter { $0.texts(settings) != $0.texts(other.settings) }
    }

    /// What a configuration is made from; tests give their own.
    public struct Sources: Sendable {
        /// Arguments after the command's name.
        public var arguments: [String]
        public var environment: [String: String]
        /// Files to read if neither `--config` nor `APUS_CONFIG` names one; the first that exists
        /// is taken.
        public var defaultFiles: [String]
        /// Reads a file, or returns nil if there is none.
        public var readFile: @Sendable (_ path: String) throws -> String?

        public init(
            arguments: [String], environment: [String: String], defaultFiles: [String],
            readFile: @escaping @Sendable (_ path: String) throws -> String?
        ) {
            self.arguments = arguments
            self.environment = environment
            self.defaultFiles = defaultFiles
            self.readFile = readFile
        }
    }

    /// Reads all sources and checks every value.
    ///
    /// - Throws: every problem found, in the order file, environment, flags.
    public static func load(_ sources: Sources) throws(ConfigurationError) -> Configuration {
        var layers = LayeredSettings()
        let commandLine = CommandLineLayer.read(sources.arguments, problems: &layers.problems)
        let file = layers.readFile(sources, named: commandLine.configPath)
        layers.apply(file.assignments)
        layers.apply(PlatformVariables.read(sources.environment, warnings: &layers.warnings))
        layers.apply(EnvironmentLayer.read(sources.environment, warnings: &layers.warnings))
        layers.apply(commandLine.assignments)
        layers.warnings += commandLine.warnings
        layers.chooseModels()
        layers.checkContradictions()
        guard layers.problems.isEmpty else { throw ConfigurationError(layers.problems) }
        return Configuration(
            settings: layers.settings, origins: layers.origins, warnings: layers.warnings,
            filePath: file.path, isPrintRequested: commandLine.isPrintRequested)
    }
}

/// One value that a source gives for one key.
struct Assignment {
    let key: ConfigurationKey
    let texts: [String]
    let origin: ValueOrigin
}

/// Settings on which the sources are laid one after another.
private struct LayeredSettings {
    var settings = Settings()
    var origins: [String: ValueOrigin] = [:]
    var problems: [ConfigurationProblem] = []
    var warnings: [String] = []

    mutating func apply(_ assignments: [Assignment]) {
        for assignment in assignments {
            let key = assignment.key
            do {
                try key.assign(&settings, assignment.texts)
                origins[key.path] = assignment.origin
            } catch {
                let found = assignment.texts.map { "\"\($0)\"" }.joined(separator: ", ")
                problems.append(
                    ConfigurationProblem(
                        location: assignment.origin.description,
                        message: "\(key.path) is \(found), allowed: \(error.allowed)"))
            }
        }
    }

    mutating func readFile(
        _ sources: Configuration.Sources, named flagged: String?
    ) -> (path: String?, assignments: [Assignment]) {
        let named = flagged ?? sources.environment["APUS_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
        for path in named.map({ [$0] }) ?? sources.defaultFiles {
            do {
                guard let text = try sources.readFile(path) else { continue }
                return (path, FileLayer.read(text, path: path, problems: &problems))
            } catch {
                problems.append(ConfigurationProblem(location: path, message: "\(error)"))
                return (path, [])
            }
        }
        if let named {
            problems.append(
                ConfigurationProblem(location: named, message: "no such configuration file"))
        }
        return (nil, [])
    }

    /// Models that are named one by one take the place of the default repository.
    mutating func chooseModels() {
        let section = settings.repository
        let isNamed = !section.modelPath.isEmpty || !section.modelConfigFile.isEmpty
        if isNamed, origins["repository.model_repository"] == nil {
            settings.repository.modelRepository = []
        }
    }

    mutating func checkContradictions() {
        guard problems.isEmpty else { return }
        for (path, message) in settings.contradictions() {
            problems.append(
                ConfigurationProblem(
                    location: origins[path]?.description ?? "default",
                    message: "\(path) \(message)"))
        }
    }
}
