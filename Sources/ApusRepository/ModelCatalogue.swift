public import ApusCore

/// What the server asks of the repository. `ModelRepository` is the real one; tests use a fake.
public protocol ModelCatalogue: Sendable {
    /// The version that serves now: the given one, or the highest ready one when `version` is nil.
    /// Cheap and callable from an event loop. The reference keeps that version alive.
    ///
    /// - Throws: `RepositoryError` of kind `notFound` or `unavailable`.
    func servable(name: String, version: String?) throws(RepositoryError) -> any Servable

    /// All ready versions of a model, ascending; empty if it is unknown or none is ready.
    func readyVersions(of name: String) -> [any Servable]

    /// Every ready version of every model, by name and version.
    func allReady() -> [any Servable]

    /// Whether the start is over and what has to serve does; else what is missing.
    var readiness: RepositoryReadiness { get }

    /// Every version that was ever tried, and models without a version, by name and version.
    func index() async -> [ModelIndexEntry]

    /// Loads or reloads a model; returns when it serves. The old versions serve until then, and
    /// stay if the load fails.
    func load(_ name: String, options: ModelLoadOptions) async throws(RepositoryError)

    /// Stops serving a model, or one version of it; requests in flight finish. Unloading what is not
    /// loaded succeeds.
    func unload(_ name: String, version: ModelVersion?) async throws(RepositoryError)
}

extension ModelCatalogue {
    /// Stops serving every version of a model.
    public func unload(_ name: String) async throws(RepositoryError) {
        try await unload(name, version: nil)
    }
}

/// Whether the repository as a whole is ready.
public struct RepositoryReadiness: Sendable, Hashable {
    public var isReady: Bool
    /// One sentence per model that is missing, e.g. `model "digits": loading version 3`.
    public var missing: [String]

    public init(isReady: Bool, missing: [String]) {
        self.isReady = isReady
        self.missing = missing
    }
}

/// One line of the repository index.
public struct ModelIndexEntry: Sendable, Hashable {
    /// Triton's state names.
    public enum State: String, Sendable, Hashable {
        case unknown = "UNKNOWN"
        case ready = "READY"
        case unavailable = "UNAVAILABLE"
        case loading = "LOADING"
        case unloading = "UNLOADING"
    }

    public var name: String
    /// Nil for a model that was found, but of which no version was ever tried.
    public var version: ModelVersion?
    public var state: State?
    public var reason: String?

    public init(name: String, version: ModelVersion?, state: State?, reason: String?) {
        self.name = name
        self.version = version
        self.state = state
        self.reason = reason
    }
}

/// Overrides of one load call.
public struct ModelLoadOptions: Sendable {
    /// A ModelConfig as JSON, instead of the files' one.
    public var configurationJSON: String?
    /// Files by path inside the model's directory (checked by the repository), instead of the
    /// directory's own; needs `configurationJSON`.
    public var files: [String: [UInt8]] = [:]
    /// Where the model is read from, from now on, instead of the place that it had.
    public var place: NamedModel?
    /// Only this version, beside those that serve: from then on exactly the versions chosen so are
    /// served, whatever the version policy says, until the model is loaded or unloaded as a whole.
    public var version: ModelVersion?

    public init() {}
}

/// Errors of the repository.
public enum RepositoryError: ServingError, Equatable {
    case modelNotFound(name: String)
    case versionNotFound(name: String, version: String)
    case notReady(name: String, version: String?, state: String)
    case loadFailed(name: String, reasons: [String])
    case invalidBundle(path: String, reason: String)
    /// Of a loader: the files were written to while it read them.
    case filesChanged(path: String)
    case explicitControlRequired
    /// A load call brings something with it.
    case uploadNotAllowed
    case stopping

    public var kind: ErrorKind {
        switch self {
        case .modelNotFound, .versionNotFound: .notFound
        case .notReady, .filesChanged, .explicitControlRequired, .stopping: .unavailable
        case .loadFailed, .invalidBundle: .invalidArgument
        case .uploadNotAllowed: .permissionDenied
        }
    }

    public var message: String {
        switch self {
        case .modelNotFound(let name): "no model \"\(name)\" in the repository"
        case .versionNotFound(let name, let version):
            "model \"\(name)\" has no version \"\(version)\" that is served"
        case .notReady(let name, let version, let state):
            "model \"\(name)\"\(version.map { " version \($0)" } ?? "") is not ready: \(state)"
        case .loadFailed(let name, let reasons):
            "failed to load \"\(name)\": " + reasons.joined(separator: "; ")
        case .invalidBundle(let path, let reason): "\(path): \(reason)"
        case .filesChanged(let path): "\(path): it changed while it was read"
        case .explicitControlRequired:
            "load and unload are switched off by model_control_mode \"none\""
        case .uploadNotAllowed:
            "load calls bring nothing with them and name no directory, unless "
                + "repository.allow_model_upload is true"
        case .stopping: "the server is stopping"
        }
    }
}
