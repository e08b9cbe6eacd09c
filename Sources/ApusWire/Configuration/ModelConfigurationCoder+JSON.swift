public import ApusCore

extension ModelConfigurationCoder {
    /// The body of `GET …/config`: ModelConfig as JSON, names as in the proto, numbers as numbers,
    /// scalars and lists also at their defaults, messages only where they are set. What Apus does
    /// not act on stands at the value that Triton fills in.
    public static func json(of configuration: ModelConfiguration) -> [UInt8] {
        var writer = JSONWriter(capacity: 2048)
        writer.openObject()
        writer.member("name", configuration.name)
        writer.member("platform", configuration.platform)
        writer.member("backend", configuration.backend)
        writer.member("runtime", "")
        writer.member("version_policy") { $0.versionPolicy(configuration.versionPolicy) }
        writer.member("max_batch_size", configuration.maxBatchSize)
        writer.member("input", each: configuration.inputs) { $0.input($1) }
        writer.member("output", each: configuration.outputs) { $0.output($1) }
        writer.emptyArray("batch_input")
        writer.emptyArray("batch_output")
        writer.member("optimization") { $0.optimization() }
        if let batching = configuration.dynamicBatching {
            writer.member("dynamic_batching") { $0.dynamicBatching(batching) }
        }
        writer.member("instance_group", each: CollectionOfOne(configuration)) {
            $0.instanceGroup($1)
        }
        writer.member("default_model_filename", configuration.defaultModelFilename)
        writer.member("cc_model_filenames") { _ in }
        writer.member("metric_tags") { tags in
            for (key, value) in configuration.metricTags.sorted(by: { $0.key < $1.key }) {
                tags.member(key, value)
            }
        }
        writer.member("parameters") { parameters in
            for (key, value) in configuration.parameters.sorted(by: { $0.key < $1.key }) {
                parameters.member(key) { $0.member("string_value", value) }
            }
        }
        writer.emptyArray("model_warmup")
        writer.member("model_transaction_policy") { $0.member("decoupled", false) }
        writer.closeObject()
        return writer.bytes
    }
}

extension JSONWriter {
    fileprivate mutating func emptyArray(_ name: String) {
        self.name(name)
        openArray()
        closeArray()
    }

    fileprivate mutating func versionPolicy(_ policy: ModelConfiguration.VersionPolicy) {
        switch policy {
        case .latest(let count): member("latest") { $0.member("num_versions", count) }
        case .all: member("all") { _ in }
        case .specific(let versions):
            member("specific") { writer in
                writer.member("versions", each: versions) { $0.integer($1.number) }
            }
        }
    }

    fileprivate mutating func input(_ entry: ModelConfiguration.TensorEntry) {
        openObject()
        member("name", entry.name)
        member("data_type", entry.dataType.configurationName)
        member("format", "FORMAT_NONE")
        member("dims", each: entry.dims) { $0.integer($1) }
        member("is_shape_tensor", false)
        member("allow_ragged_batch", false)
        member("optional", entry.isOptional)
        member("is_non_linear_format_io", false)
        closeObject()
    }

    fileprivate mutating func output(_ entry: ModelConfiguration.TensorEntry) {
        openObject()
        member("name", entry.name)
        member("data_type", entry.dataType.configurationName)
        member("dims", each: entry.dims) { $0.integer($1) }
        member("label_filename", entry.labelFilename ?? "")
        member("is_shape_tensor", false)
        member("is_non_linear_format_io", false)
        closeObject()
    }

    fileprivate mutating func optimization() {
        member("priority", "PRIORITY_DEFAULT")
        member("input_pinned_memory") { $0.member("enable", true) }
        member("output_pinned_memory") { $0.member("enable", true) }
        member("gather_kernel_buffer_threshold", 0)
        member("eager_batching", false)
    }

    fileprivate mutating func dynamicBatching(_ batching: ModelConfiguration.DynamicBatching) {
        member("preferred_batch_size", each: batching.preferredBatchSizes) { $0.integer($1) }
        member("max_queue_delay_microseconds", batching.maxQueueDelayMicroseconds)
        member("preserve_ordering", batching.preserveOrdering)
        member("priority_levels", batching.priorityLevels)
        member("default_priority_level", batching.defaultPriorityLevel)
        member("default_queue_policy") { $0.queuePolicy(batching.defaultQueuePolicy) }
        member("priority_queue_policy") { writer in
            for (level, policy) in batching.priorityQueuePolicies.sorted(by: { $0.key < $1.key }) {
                writer.member(String(level)) { $0.queuePolicy(policy) }
            }
        }
    }

    private mutating func queuePolicy(_ policy: ModelConfiguration.QueuePolicy) {
        member("timeout_action", policy.timeoutAction == .delay ? "DELAY" : "REJECT")
        member("default_timeout_microseconds", policy.defaultTimeoutMicroseconds)
        member("allow_timeout_override", policy.allowTimeoutOverride)
        member("max_queue_size", policy.maxQueueSize)
    }

    fileprivate mutating func instanceGroup(_ configuration: ModelConfiguration) {
        openObject()
        member("name", configuration.name)
        member("kind", "KIND_CPU")
        // Zero means that the core budget decides.
        member("count", configuration.instanceCount)
        emptyArray("gpus")
        emptyArray("secondary_devices")
        emptyArray("profile")
        member("passive", false)
        member("host_policy", "")
        closeObject()
    }
}
