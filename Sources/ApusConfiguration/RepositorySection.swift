/// When models are loaded and unloaded.
public enum ModelControlMode: String, Sendable, Hashable, CaseIterable {
    /// Everything is loaded at start and every settled change on disk is followed.
    case watch
    /// Triton's word for following changes by rescanning only; no inotify.
    case poll
    /// Only what `load_model` names at start, and then load and unload calls.
    case explicit
    /// Everything is loaded at start; later changes are ignored.
    case none
}

/// Where models come from and how they are loaded.
public struct RepositorySection: Sendable, Hashable {
    public var modelRepository = ["models"]
    /// One model from a directory of its own; empty = none.
    public var modelName = ""
    public var modelPath = ""
    /// A file in TensorFlow Serving's form that names models and their directories; empty = none.
    public var modelConfigFile = ""
    public var modelControlMode = ModelControlMode.watch
    /// Models to load at start in explicit mode; `*` = all.
    public var loadModel: [String] = []
    /// How long a version directory must be unchanged before it is read.
    public var quietPeriod = Duration.milliseconds(500)
    /// Time between two looks at the whole repository, for what inotify does not see.
    public var rescanInterval = Duration.seconds(15)
    /// Versions that load at the same time; 0 = from the core budget.
    public var loadConcurrency = 0
    /// Longest time for one version to load.
    public var loadTimeout = Duration.seconds(300)
    /// Longest time for the requests of a version that was taken out of service.
    public var unloadTimeout = Duration.seconds(300)
    /// Whether a model that fails at start ends the daemon.
    public var exitOnError = false
    /// Whether load calls may bring files and configuration with them.
    public var allowModelUpload = false
    /// Where it is written down which versions are being loaded; empty = where the platform keeps
    /// state.
    public var stateDirectory = ""

    /// The state directory; nil if there is none, or `none` was chosen.
    public func stateDirectory(environment: [String: String]) -> String? {
        guard stateDirectory.isEmpty else {
            return stateDirectory == "none" ? nil : stateDirectory
        }
        func directory(_ variable: String) -> String? {
            environment[variable].flatMap { $0.hasPrefix("/") ? $0 : nil }
        }
        // The service manager lists several, separated by colons; the first is ours.
        if let own = directory("STATE_DIRECTORY")?.split(separator: ":").first {
            return String(own)
        }
        let home = directory("HOME").map { $0 + "/.local/state" }
        return (directory("XDG_STATE_HOME") ?? home).map { $0 + "/apus" }
    }

    static let keys: [ConfigurationKey] = [
        .init(
            list: "repository", "model_repository", \.repository.modelRepository, .text("<path>"),
            "Directories with models: <path>/<model>/<version>/model.onnx or <path>/<model>.onnx."
        ),
        .init(
            "repository", "model_name", \.repository.modelName, .text("<model>"),
            "Name of the model in model_path; empty = the directory's name."),
        .init(
            "repository", "model_path", \.repository.modelPath, .text("<path>"),
            "A directory with one model: its versions, or its files. Takes the place of "
                + "model_repository, unless that is given as well."),
        .init(
            "repository", "model_config_file", \.repository.modelConfigFile, .text("<path>"),
            "A file in TensorFlow Serving's form (model_config_list) that names models, their "
                + "directories, versions and labels. Takes the place of model_repository, unless "
                + "that is given as well."),
        .init(
            "repository", "model_control_mode", \.repository.modelControlMode, .choice,
            "watch: load everything and follow changes as they settle. poll: the same by rescans "
                + "only. explicit: load what load_model names, then only on load and unload calls. "
                + "none: load everything at start and ignore changes."),
        .init(
            list: "repository", "load_model", \.repository.loadModel, .text("<model>"),
            "Models to load at start in explicit mode; * = all."),
        .init(
            "repository", "quiet_period", \.repository.quietPeriod,
            .duration(.zero...(.seconds(3_600))),
            "How long a version directory must be unchanged before it is read, unless it was "
                + "renamed into place or has a MANIFEST.sha256."),
        .init(
            "repository", "rescan_interval", \.repository.rescanInterval,
            .duration(.milliseconds(100)...(.seconds(86_400))),
            "Time between two looks at the whole repository, for what inotify does not see "
                + "(network file systems)."),
        .init(
            "repository", "load_concurrency", \.repository.loadConcurrency,
            .integer(0...64, meaningOfZero: "all cores at the start, then half of them"),
            "Versions that load at the same time."),
        .init(
            "repository", "load_timeout", \.repository.loadTimeout,
            .duration(.milliseconds(100)...(.seconds(86_400))),
            "Longest time for one version to load, its golden cases and warm-up included; then it "
                + "has failed."),
        .init(
            "repository", "unload_timeout", \.repository.unloadTimeout,
            .duration(.milliseconds(100)...(.seconds(86_400))),
            "Longest time for the requests of a version that was unloaded or replaced; what is not "
                + "finished then is given up."),
        .init(
            "repository", "exit_on_error", \.repository.exitOnError, .boolean,
            "End the daemon when a model fails to load at start."),
        .init(
            "repository", "allow_model_upload", \.repository.allowModelUpload, .boolean,
            "Let load calls bring a configuration and files with them, or name directories."),
        .init(
            "repository", "state_directory", \.repository.stateDirectory, .text("<path>"),
            "Where it is written down which versions are being loaded, so that one that ended the "
                + "process twice is refused until its files change; none = nowhere; empty = "
                + "$STATE_DIRECTORY, $XDG_STATE_HOME/apus or ~/.local/state/apus."),
    ]
}
