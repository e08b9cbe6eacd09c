/// The whole configuration of the daemon as one checked value.
///
/// A key is declared once, in its section's file: the property with its default, and a row in that
/// section's `keys` with name, form, help. Flags, environment names, the file, `--print-config`,
/// `--help` and the table in the documentation derive from the rows.
public struct Settings: Sendable, Hashable {
    public var server = ServerSection()
    public var repository = RepositorySection()
    public var scheduler = SchedulerSection()
    public var engine = EngineSection()
    public var logging = LoggingSection()

    /// The defaults.
    public init() {}

    /// Every key, in the order of the documentation.
    public static let keys: [ConfigurationKey] =
        ServerSection.keys + RepositorySection.keys + SchedulerSection.keys + EngineSection.keys
        + LoggingSection.keys

    /// Section names, in the order of the documentation.
    public static let sections = ["server", "repository", "scheduler", "engine", "logging"]

    /// What single keys cannot know: values that do not go together.
    func contradictions() -> [(key: String, message: String)] {
        var found: [(key: String, message: String)] = []
        found += server.portContradictions()
        found += server.dialectContradictions()
        if logging.traceLevel != .off, logging.traceFile.isEmpty {
            found.append(("logging.trace_level", "needs a file: set logging.trace_file"))
        }
        if !repository.loadModel.isEmpty, repository.modelControlMode != .explicit {
            found.append(
                (
                    "repository.load_model",
                    "has an effect only with model_control_mode: explicit, found: "
                        + repository.modelControlMode.rawValue
                ))
        }
        let isNamed = !repository.modelPath.isEmpty || !repository.modelConfigFile.isEmpty
        if !repository.modelName.isEmpty, repository.modelPath.isEmpty {
            found.append(
                ("repository.model_name", "needs its directory: set repository.model_path"))
        }
        if repository.modelRepository.isEmpty, !isNamed {
            found.append(("repository.model_repository", "is empty; name at least one directory"))
        }
        return found
    }
}
