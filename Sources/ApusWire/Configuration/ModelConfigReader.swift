import ApusCore

/// Turns the message into plain values, refusing what would not be served as written.
struct ModelConfigReader {
    let modelName: ModelName

    func configuration(_ message: Inference_ModelConfig) throws(WireError) -> ModelConfiguration {
        guard message.name.isEmpty || message.name == modelName.text else {
            throw invalid("name is \"\(message.name)\", expected the directory's name")
        }
        try refuseUnsupported(message)
        var configuration = ModelConfiguration(name: modelName.text)
        if !message.platform.isEmpty { configuration.platform = message.platform }
        if !message.backend.isEmpty { configuration.backend = message.backend }
        if !message.defaultModelFilename.isEmpty {
            configuration.defaultModelFilename = try fileName(
                message.defaultModelFilename, field: "default_model_filename")
        }
        guard message.maxBatchSize >= 0 else {
            throw invalid("max_batch_size is \(message.maxBatchSize), expected 0 or more")
        }
        configuration.maxBatchSize = Int(message.maxBatchSize)
        if message.hasVersionPolicy {
            configuration.versionPolicy = try versionPolicy(message.versionPolicy)
        }
        configuration.inputs = try inputs(message.input)
        configuration.outputs = try outputs(message.output)
        if case .dynamicBatching(let batching) = message.schedulingChoice {
            configuration.dynamicBatching = try DynamicBatchingReader(reader: self)
                .dynamicBatching(batching, maxBatchSize: configuration.maxBatchSize)
        }
        configuration.instanceCount = try instanceCount(message.instanceGroup)
        configuration.metricTags = message.metricTags
        configuration.parameters = message.parameters.mapValues(\.stringValue)
        configuration.oversizedRequests = try oversizedRequests(configuration.parameters)
        return configuration
    }

    func invalid(_ reason: String) -> WireError {
        .configuration(model: modelName.text, reason: reason)
    }

    private func unsupported(_ what: String) -> WireError {
        .unsupported("configuration of \"\(modelName)\": \(what)")
    }

    /// Fields that change answers and that Apus does not act on.
    private func refuseUnsupported(_ message: Inference_ModelConfig) throws(WireError) {
        let platforms: Set = ["", "onnxruntime_onnx", "onnx_onnxv1"]
        guard platforms.contains(message.platform) else {
            throw unsupported("platform \"\(message.platform)\" is not offered: only ONNX models")
        }
        guard message.backend.isEmpty || message.backend == "onnxruntime" else {
            throw unsupported("backend \"\(message.backend)\" is not offered: only ONNX models")
        }
        let fields: [(isSet: Bool, name: String)] = [
            (message.schedulingChoice.map(Self.isEnsemble) ?? false, "ensemble_scheduling"),
            (message.schedulingChoice.map(Self.isSequence) ?? false, "sequence_batching"),
            (message.modelTransactionPolicy.decoupled, "model_transaction_policy.decoupled"),
            (!message.batchInput.isEmpty, "batch_input"),
            (!message.batchOutput.isEmpty, "batch_output"),
            (!message.modelOperations.opLibraryFilename.isEmpty, "model_operations"),
            (!message.modelRepositoryAgents.agents.isEmpty, "model_repository_agents"),
        ]
        for field in fields where field.isSet {
            throw unsupported("\(field.name) is not offered")
        }
    }

    private static func isEnsemble(
        _ choice: Inference_ModelConfig.OneOf_SchedulingChoice
    ) -> Bool {
        if case .ensembleScheduling = choice { true } else { false }
    }

    private static func isSequence(
        _ choice: Inference_ModelConfig.OneOf_SchedulingChoice
    ) -> Bool {
        if case .sequenceBatching = choice { true } else { false }
    }

    /// The parameter `oversized_requests`: requests with more rows than `max_batch_size`.
    private func oversizedRequests(
        _ parameters: [String: String]
    ) throws(WireError) -> ModelConfiguration.OversizedRequests {
        switch parameters[ModelConfiguration.oversizedRequestsParameter] {
        case nil, "split": return .split
        case "refuse": return .refuse
        case .some(let text):
            throw invalid("parameter oversized_requests is \"\(text)\", expected split or refuse")
        }
    }

    private func versionPolicy(
        _ message: Inference_ModelVersionPolicy
    ) throws(WireError) -> ModelConfiguration.VersionPolicy {
        switch message.policyChoice {
        case nil: return .latest(count: 1)
        case .latest(let latest): return .latest(count: max(Int(latest.numVersions), 1))
        case .all: return .all
        case .specific(let specific):
            var versions: [ModelVersion] = []
            for number in specific.versions {
                guard let version = ModelVersion(number: number) else {
                    throw invalid(
                        "version_policy.specific has version \(number), expected 0 or more")
                }
                versions.append(version)
            }
            guard !versions.isEmpty else {
                throw invalid("version_policy.specific has no versions, expected at least one")
            }
            return .specific(versions)
        }
    }

    // MARK: Tensors

    private func inputs(
        _ messages: [Inference_ModelInput]
    ) throws(WireError) -> [ModelConfiguration.TensorEntry] {
        var entries: [ModelConfiguration.TensorEntry] = []
        for message in messages {
            try refuseUnsupported(
                "input \"\(message.name)\"",
                [
                    (message.isShapeTensor, "is_shape_tensor"),
                    (message.isNonLinearFormatIo, "is_non_linear_format_io"),
                    (message.allowRaggedBatch, "allow_ragged_batch"),
                    (message.hasReshape, "reshape"),
                ])
            var entry = try tensorEntry(
                role: "input", name: message.name, message.dataType, message.dims, among: entries)
            entry.isOptional = message.optional
            entries.append(entry)
        }
        return entries
    }

    private func outputs(
        _ messages: [Inference_ModelOutput]
    ) throws(WireError) -> [ModelConfiguration.TensorEntry] {
        var entries: [ModelConfiguration.TensorEntry] = []
        for message in messages {
            try refuseUnsupported(
                "output \"\(message.name)\"",
                [
                    (message.isShapeTensor, "is_shape_tensor"),
                    (message.isNonLinearFormatIo, "is_non_linear_format_io"),
                    (message.hasReshape, "reshape"),
                ])
            var entry = try tensorEntry(
                role: "output", name: message.name, message.dataType, message.dims, among: entries)
            if !message.labelFilename.isEmpty {
                entry.labelFilename = try fileName(
                    message.labelFilename, field: "output \"\(message.name)\": label_filename")
            }
            entries.append(entry)
        }
        return entries
    }

    private func refuseUnsupported(
        _ owner: String, _ fields: [(isSet: Bool, name: String)]
    ) throws(WireError) {
        for field in fields where field.isSet {
            throw unsupported("\(owner): \(field.name) is not offered")
        }
    }

    private func tensorEntry(
        role: String, name: String, _ type: Inference_DataType, _ dims: [Int64],
        among entries: [ModelConfiguration.TensorEntry]
    ) throws(WireError) -> ModelConfiguration.TensorEntry {
        guard !name.isEmpty else { throw invalid("an \(role) has no name") }
        guard !entries.contains(where: { $0.name == name }) else {
            throw invalid("\(role) \"\(name)\" is listed twice")
        }
        guard let dataType = DataType(type) else {
            throw invalid(
                "\(role) \"\(name)\" has data_type \(type), expected TYPE_BOOL … TYPE_BF16")
        }
        guard !dims.isEmpty else {
            throw invalid("\(role) \"\(name)\" has no dims, expected at least one")
        }
        for dim in dims where dim < 1 && dim != -1 {
            throw invalid("\(role) \"\(name)\" has dim \(dim), expected -1 or at least 1")
        }
        return ModelConfiguration.TensorEntry(
            name: name, dataType: dataType, dims: dims.map(Int.init))
    }

    /// A path inside the model's directory.
    private func fileName(_ path: String, field: String) throws(WireError) -> String {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        let isInside = parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
        guard isInside, !path.unicodeScalars.contains("\0") else {
            throw invalid("\(field) is \"\(path)\", expected a path inside the model's directory")
        }
        return path
    }

    private func instanceCount(
        _ groups: [Inference_ModelInstanceGroup]
    ) throws(WireError) -> Int {
        var count = 0
        for group in groups {
            guard group.count >= 0, group.count <= 1 << 16 else {
                throw invalid("instance_group has count \(group.count), expected 0 to 65536")
            }
            // Instances on a GPU are a hint: their number says nothing about cores.
            if group.kind != .gpu { count += Int(group.count) }
        }
        return min(count, 1 << 16)
    }
}

/// Reads `dynamic_batching` and its queue policies.
struct DynamicBatchingReader {
    let reader: ModelConfigReader

    func dynamicBatching(
        _ message: Inference_ModelDynamicBatching, maxBatchSize: Int
    ) throws(WireError) -> ModelConfiguration.DynamicBatching {
        var batching = ModelConfiguration.DynamicBatching()
        for size in message.preferredBatchSize {
            guard size >= 1, Int(size) <= max(maxBatchSize, 1) else {
                throw reader.invalid(
                    "preferred_batch_size is \(size), expected 1 to max_batch_size \(maxBatchSize)")
            }
            batching.preferredBatchSizes.append(Int(size))
        }
        batching.maxQueueDelayMicroseconds = message.maxQueueDelayMicroseconds
        batching.preserveOrdering = message.preserveOrdering
        try readPriorities(message, into: &batching)
        if message.hasDefaultQueuePolicy {
            batching.defaultQueuePolicy = queuePolicy(message.defaultQueuePolicy)
        }
        for (level, policy) in message.priorityQueuePolicy {
            guard level >= 1, level <= message.priorityLevels else {
                throw reader.invalid(
                    "priority_queue_policy has level \(level), expected 1 to priority_levels "
                        + "\(message.priorityLevels)")
            }
            batching.priorityQueuePolicies[Int(level)] = queuePolicy(policy)
        }
        let policies = [batching.defaultQueuePolicy] + batching.priorityQueuePolicies.values
        let isDelaying = policies.contains { $0.timeoutAction == .delay }
        guard !batching.preserveOrdering || (batching.priorityLevels <= 1 && !isDelaying) else {
            throw reader.invalid(
                "preserve_ordering goes with neither several priority_levels nor timeout_action "
                    + "DELAY")
        }
        return batching
    }

    private func readPriorities(
        _ message: Inference_ModelDynamicBatching,
        into batching: inout ModelConfiguration.DynamicBatching
    ) throws(WireError) {
        guard message.priorityLevels <= 1000 else {
            throw reader.invalid(
                "priority_levels is \(message.priorityLevels), expected at most 1000")
        }
        batching.priorityLevels = Int(message.priorityLevels)
        guard message.priorityLevels > 0 else { return }
        let level = message.defaultPriorityLevel
        guard level >= 1, level <= message.priorityLevels else {
            throw reader.invalid(
                "default_priority_level is \(level), expected 1 to priority_levels "
                    + "\(message.priorityLevels)")
        }
        batching.defaultPriorityLevel = Int(level)
    }

    private func queuePolicy(
        _ message: Inference_ModelQueuePolicy
    ) -> ModelConfiguration.QueuePolicy {
        var policy = ModelConfiguration.QueuePolicy()
        policy.timeoutAction = message.timeoutAction == .delay ? .delay : .reject
        policy.defaultTimeoutMicroseconds = message.defaultTimeoutMicroseconds
        policy.allowTimeoutOverride = message.allowTimeoutOverride
        policy.maxQueueSize = Int(message.maxQueueSize)
        return policy
    }
}

extension DataType {
    /// The type of a configuration's number; nil for `TYPE_INVALID` and unknown ones.
    init?(_ type: Inference_DataType) {
        switch type {
        case .typeBool: self = .bool
        case .typeUint8: self = .uint8
        case .typeUint16: self = .uint16
        case .typeUint32: self = .uint32
        case .typeUint64: self = .uint64
        case .typeInt8: self = .int8
        case .typeInt16: self = .int16
        case .typeInt32: self = .int32
        case .typeInt64: self = .int64
        case .typeFp16: self = .float16
        case .typeFp32: self = .float
        case .typeFp64: self = .double
        case .typeString: self = .string
        case .typeBf16: self = .bfloat16
        case .typeInvalid, .UNRECOGNIZED: return nil
        }
    }

    /// The name in a configuration.
    var configurationName: String {
        switch self {
        case .string: "TYPE_STRING"
        default: wireName.map { "TYPE_" + $0 } ?? "TYPE_INVALID"
        }
    }
}
