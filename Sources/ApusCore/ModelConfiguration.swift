/// How one model is served: the part of Triton's `ModelConfig` that Apus acts on, completed with
/// defaults, as plain values.
///
/// - Source: Triton `model_config.proto` (field names and meaning), KServe ModelConfig.
public struct ModelConfiguration: Sendable, Hashable {
    /// Which version directories are served.
    public enum VersionPolicy: Sendable, Hashable {
        case latest(count: Int)
        case all
        case specific([ModelVersion])
    }

    /// An input or output as the configuration states it; `dims` leave out the batch dimension when
    /// `maxBatchSize` is at least 1.
    public struct TensorEntry: Sendable, Hashable {
        public var name: String
        public var dataType: DataType
        public var dims: [Int]
        /// File with one label per line, relative to the model's directory; outputs only.
        public var labelFilename: String?
        public var isOptional: Bool

        public init(
            name: String, dataType: DataType, dims: [Int], labelFilename: String? = nil,
            isOptional: Bool = false
        ) {
            self.name = name
            self.dataType = dataType
            self.dims = dims
            self.labelFilename = labelFilename
            self.isOptional = isOptional
        }
    }

    /// Limits of one priority level's queue.
    public struct QueuePolicy: Sendable, Hashable {
        public enum TimeoutAction: Sendable, Hashable { case reject, delay }
        public var timeoutAction: TimeoutAction = .reject
        /// 0 = none.
        public var defaultTimeoutMicroseconds: UInt64 = 0
        public var allowTimeoutOverride = true
        /// Requests; 0 = the server's limit.
        public var maxQueueSize: Int = 0
        public init() {}
    }

    public struct DynamicBatching: Sendable, Hashable {
        public var preferredBatchSizes: [Int] = []
        public var maxQueueDelayMicroseconds: UInt64 = 0
        public var preserveOrdering = false
        /// 0 = one level without priorities.
        public var priorityLevels: Int = 0
        public var defaultPriorityLevel: Int = 0
        public var defaultQueuePolicy = QueuePolicy()
        public var priorityQueuePolicies: [Int: QueuePolicy] = [:]
        public init() {}
    }

    /// What happens to a request with more rows than `maxBatchSize`.
    public enum OversizedRequests: Sendable, Hashable {
        /// It runs in several executions, or in one of that many rows where rows are not independent.
        case split
        case refuse
    }

    public var name: String
    public var platform = "onnxruntime_onnx"
    public var backend = "onnxruntime"
    public var defaultModelFilename = "model.onnx"
    public var versionPolicy = VersionPolicy.latest(count: 1)
    /// 0 = requests are never joined and shapes have no implied batch dimension.
    public var maxBatchSize = 0
    public var inputs: [TensorEntry] = []
    public var outputs: [TensorEntry] = []
    /// Nil = one request per execution.
    public var dynamicBatching: DynamicBatching?
    /// Whether rows are proven to stay apart; requests are joined, and cut, only then.
    public var rows = RowVerdict.notProven(node: "", reason: "was not analysed")
    public var oversizedRequests = OversizedRequests.split
    /// Instances that may run at the same time; 0 = chosen from the core budget.
    public var instanceCount = 0
    /// How long one execution may take; 0 = for ever.
    public var executionTimeoutMicroseconds: UInt64 = 0
    /// Extra metric labels.
    public var metricTags: [String: String] = [:]
    /// Prefix of parameters that give versions names: `alias.stable` with the value `3`.
    public static let aliasPrefix = "alias."
    /// The parameter that limits an execution's time: `2s`, `500ms`.
    public static let executionTimeoutParameter = "execution_timeout"
    /// Parameters that `model.yaml` may name as keys of its own.
    public static let yamlKeys: Set<String> = [
        executionTimeoutParameter, oversizedRequestsParameter,
    ]
    /// Parameter with the value `split` or `refuse`: see `oversizedRequests`.
    public static let oversizedRequestsParameter = "oversized_requests"
    /// Parameter of a completed configuration that says whether rows are independent, or why not.
    public static let rowsParameter = "rows"
    /// Free-form parameters, handed through to `/config`.
    public var parameters: [String: String] = [:]

    public init(name: String) { self.name = name }

    /// Whether requests may share an execution.
    public var joinsRequests: Bool {
        maxBatchSize > 0 && dynamicBatching != nil && rows.isIndependent
    }
}
