/// Another server whose clients are understood, beside the Open Inference Protocol.
public enum Dialect: String, Sendable, Hashable, CaseIterable {
    /// KServe, first protocol.
    case kserve
    /// TensorFlow Serving.
    case tensorflow
    /// MLflow's scoring server.
    case mlflow
    /// Containers and endpoints of Amazon SageMaker.
    case sagemaker
    /// Containers and endpoints of Google Vertex AI.
    case vertex
    /// The inference server of Azure Machine Learning.
    case azureml
    case torchserve
}

/// Which dialects are spoken, and what they need to know.
public struct DialectSettings: Sendable, Hashable {
    /// Where two of them mean the same path, the earlier one answers.
    public var dialects: [Dialect] = []
    /// The model that routes without a name mean; empty = the only one that serves.
    public var defaultModel = ""
    /// The form of SageMaker answers to requests that name none, as a media type; empty = that of the
    /// request.
    public var defaultAccept = ""
    /// Paths that Vertex AI names in its variables; empty = none.
    public var vertexHealthRoute = ""
    public var vertexPredictRoute = ""

    /// Requests that the server works on at the same time: what batch transform is told.
    public var concurrentRequestCount = 1
    /// The server's limit for a body: the same.
    public var bodyByteCountMax = 64 << 20

    public init() {}

    /// Whether `dialect` comes before `other`, or `other` is not spoken.
    func prefers(_ dialect: Dialect, to other: Dialect) -> Bool {
        dialects.first { $0 == dialect || $0 == other } == dialect
    }

    func contains(_ dialect: Dialect) -> Bool { dialects.contains(dialect) }
}
