public import ApusCore

/// A model version on disk.
public struct ModelBundle: Sendable, Hashable {
    public let identity: ModelIdentity
    /// `<repository>/<model>`; for a single-file model the repository itself.
    public let modelDirectory: String
    /// `<repository>/<model>/<version>`; for a single-file model the repository itself.
    public let versionDirectory: String
    /// The configuration that holds for this load.
    public let configuration: ModelConfiguration
    /// Path of the ONNX file.
    public let modelFile: String

    public init(
        identity: ModelIdentity, modelDirectory: String, versionDirectory: String,
        configuration: ModelConfiguration, modelFile: String
    ) {
        self.identity = identity
        self.modelDirectory = modelDirectory
        self.versionDirectory = versionDirectory
        self.configuration = configuration
        self.modelFile = modelFile
    }
}

/// The stages of a load that the state machine shows.
public enum LoadStage: Sendable { case loading, validating, warming }

/// Makes servables out of bundles. The executable joins ONNX, engine and scheduler behind it; tests
/// use a fake.
public protocol ModelLoader: Sendable {
    /// Parses `config.pbtxt` (text format).
    func configuration(text: String, name: ModelName) throws -> ModelConfiguration
    /// Parses `model.yaml`.
    func configuration(yaml: String, name: ModelName) throws -> ModelConfiguration
    /// Parses MLflow's `MLmodel`.
    func configuration(mlflow: String, name: ModelName) throws -> ModelConfiguration
    /// Parses a ModelConfig in JSON, from a load call.
    func configuration(json: String, name: ModelName) throws -> ModelConfiguration

    /// Loads, validates (graph, configuration, golden cases) and warms a version. Blocking; called
    /// on a loading thread, which `progress` tells where it is.
    ///
    /// - Parameter cancellation: asked on the way; it stops when the load takes too long, or when
    ///   nobody wants the version any more.
    /// - Throws: an error whose message names what is wrong with the bundle;
    ///   `RepositoryError.filesChanged` to have it tried again when the files have settled.
    func load(
        _ bundle: ModelBundle, cancellation: RunControl, progress: @Sendable (LoadStage) -> Void
    ) throws -> any Servable
}

extension ModelLoader {
    public func configuration(mlflow: String, name: ModelName) throws -> ModelConfiguration {
        throw RepositoryError.invalidBundle(
            path: name.text, reason: "models saved by MLflow are not read here")
    }
}
