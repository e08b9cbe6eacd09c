package import ApusCore
import SwiftProtobuf

extension Inference_ModelConfig {
    /// The completed configuration as a message; what Apus does not act on stands at the value that
    /// Triton fills in, as in the JSON form.
    package init(_ configuration: ModelConfiguration) {
        self.init()
        name = configuration.name
        platform = configuration.platform
        backend = configuration.backend
        versionPolicy = .init(configuration.versionPolicy)
        maxBatchSize = Int32(clamping: configuration.maxBatchSize)
        input = configuration.inputs.map(Inference_ModelInput.init)
        output = configuration.outputs.map(Inference_ModelOutput.init)
        optimization = .with {
            $0.inputPinnedMemory.enable = true
            $0.outputPinnedMemory.enable = true
        }
        if let batching = configuration.dynamicBatching { dynamicBatching = .init(batching) }
        instanceGroup = [
            .with {
                $0.name = configuration.name
                $0.kind = .cpu
                // Zero means that the core budget decides.
                $0.count = Int32(clamping: configuration.instanceCount)
            }
        ]
        defaultModelFilename = configuration.defaultModelFilename
        metricTags = configuration.metricTags
        parameters = configuration.parameters.mapValues { text in .with { $0.stringValue = text } }
        modelTransactionPolicy = .with { $0.decoupled = false }
    }
}

extension Inference_ModelVersionPolicy {
    fileprivate init(_ policy: ModelConfiguration.VersionPolicy) {
        self.init()
        switch policy {
        case .latest(let count): latest = .with { $0.numVersions = UInt32(clamping: count) }
        case .all: all = .init()
        case .specific(let versions): specific = .with { $0.versions = versions.map(\.number) }
        }
    }
}

extension Inference_ModelInput {
    fileprivate init(_ entry: ModelConfiguration.TensorEntry) {
        self.init()
        name = entry.name
        dataType = Inference_DataType(entry.dataType)
        dims = entry.dims.map(Int64.init)
        optional = entry.isOptional
    }
}

extension Inference_ModelOutput {
    fileprivate init(_ entry: ModelConfiguration.TensorEntry) {
        self.init()
        name = entry.name
        dataType = Inference_DataType(entry.dataType)
        dims = entry.dims.map(Int64.init)
        labelFilename = entry.labelFilename ?? ""
    }
}

extension Inference_ModelDynamicBatching {
    fileprivate init(_ batching: ModelConfiguration.DynamicBatching) {
        self.init()
        preferredBatchSize = batching.preferredBatchSizes.map { Int32(clamping: $0) }
        maxQueueDelayMicroseconds = batching.maxQueueDelayMicroseconds
        preserveOrdering = batching.preserveOrdering
        priorityLevels = UInt64(clamping: batching.priorityLevels)
        defaultPriorityLevel = UInt64(clamping: batching.defaultPriorityLevel)
        defaultQueuePolicy = .init(batching.defaultQueuePolicy)
        for (level, policy) in batching.priorityQueuePolicies {
            priorityQueuePolicy[UInt64(clamping: level)] = .init(policy)
        }
    }
}

extension Inference_ModelQueuePolicy {
    fileprivate init(_ policy: ModelConfiguration.QueuePolicy) {
        self.init()
        timeoutAction = policy.timeoutAction == .delay ? .delay : .reject
        defaultTimeoutMicroseconds = policy.defaultTimeoutMicroseconds
        allowTimeoutOverride = policy.allowTimeoutOverride
        maxQueueSize = UInt32(clamping: policy.maxQueueSize)
    }
}

extension Inference_DataType {
    fileprivate init(_ dataType: DataType) {
        self =
            switch dataType {
            case .bool: .typeBool
            case .uint8: .typeUint8
            case .uint16: .typeUint16
            case .uint32: .typeUint32
            case .uint64: .typeUint64
            case .int8: .typeInt8
            case .int16: .typeInt16
            case .int32: .typeInt32
            case .int64: .typeInt64
            case .float16: .typeFp16
            case .float: .typeFp32
            case .double: .typeFp64
            case .string: .typeString
            case .bfloat16: .typeBf16
            default: .typeInvalid
            }
    }
}
