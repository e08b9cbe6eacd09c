public import ApusCore
import SwiftProtobuf

/// The files that TensorFlow Serving is started with, in the text form of protocol buffers.
///
/// - Source: TensorFlow Serving, "Configuration": `model_server_config.proto`,
///   `session_bundle_config.proto`.
public enum ModelServerFile {
    /// A model of `model_config_list`.
    public struct Model: Sendable, Hashable {
        public var name: ModelName
        public var basePath: String
        public var versionPolicy: ModelConfiguration.VersionPolicy
        public var versionLabels: [String: ModelVersion]
    }

    /// What a batching file says; nil where it says nothing.
    public struct Batching: Sendable, Hashable {
        public var maxBatchSize: Int?
        public var timeoutMicroseconds: UInt64?
        public var enqueuedBatchCount: Int?
        public var threadCount: Int?
        /// Rising.
        public var allowedBatchSizes: [Int] = []
        /// Whether a request with more rows than a batch takes is cut into several.
        public var splitsLargeBatches: Bool?
        /// Rows per execution of what is cut; not above `maxBatchSize`.
        public var executionBatchSize: Int?
    }

    /// Reads the file of `--model_config_file`.
    public static func models(_ text: String) throws(WireError) -> [Model] {
        let message: Tensorflow_Serving_ModelServerConfig
        do { message = try Tensorflow_Serving_ModelServerConfig(textFormatString: text) } catch {
            throw .request("not a model_config_list: \(TextFormatDiagnosis.description(of: error))")
        }
        return try models(message)
    }

    /// - Throws: `request` for names that no model can have, or that come twice.
    package static func models(
        _ message: Tensorflow_Serving_ModelServerConfig
    ) throws(WireError) -> [Model] {
        guard case .modelConfigList(let list)? = message.config else {
            throw .request("expected a model_config_list")
        }
        var models: [Model] = []
        for config in list.config {
            let model = try model(config)
            guard !models.contains(where: { $0.name == model.name }) else {
                throw .request("model \"\(model.name)\" is listed twice")
            }
            models.append(model)
        }
        return models
    }

    private static func model(
        _ config: Tensorflow_Serving_ModelConfig
    ) throws(WireError) -> Model {
        let name: ModelName
        do { name = try ModelName(config.name) } catch { throw .request(error.message) }
        guard !config.basePath.isEmpty else {
            throw .request("model \"\(name)\" has no base_path")
        }
        let policy: ModelConfiguration.VersionPolicy =
            switch config.modelVersionPolicy.policyChoice {
            case .latest(let latest)?: .latest(count: max(Int(latest.numVersions), 1))
            case .all?: .all
            case .specific(let specific)?:
                .specific(specific.versions.compactMap { ModelVersion(number: $0) })
            case nil: .latest(count: 1)
            }
        var labels: [String: ModelVersion] = [:]
        for (label, number) in config.versionLabels {
            guard let version = ModelVersion(number: number) else {
                throw .request(
                    "label \"\(label)\" of model \"\(name)\" names version \(number), expected one "
                        + "that is not negative")
            }
            labels[label] = version
        }
        return Model(
            name: name, basePath: config.basePath, versionPolicy: policy, versionLabels: labels)
    }

    /// Reads the file of `--batching_parameters_file`.
    public static func batching(_ text: String) throws(WireError) -> Batching {
        let message: Tensorflow_Serving_BatchingParameters
        do { message = try Tensorflow_Serving_BatchingParameters(textFormatString: text) } catch {
            throw .request(
                "no batching parameters: \(TextFormatDiagnosis.description(of: error))")
        }
        var batching = Batching()
        if message.hasMaxBatchSize {
            batching.maxBatchSize = try count(message.maxBatchSize.value, "max_batch_size", 1)
        }
        if message.hasBatchTimeoutMicros {
            batching.timeoutMicroseconds = UInt64(
                try count(message.batchTimeoutMicros.value, "batch_timeout_micros", 0))
        }
        if message.hasMaxEnqueuedBatches {
            batching.enqueuedBatchCount = try count(
                message.maxEnqueuedBatches.value, "max_enqueued_batches", 1)
        }
        if message.hasNumBatchThreads {
            batching.threadCount = try count(
                message.numBatchThreads.value, "num_batch_threads", 1)
        }
        if message.hasEnableLargeBatchSplitting {
            batching.splitsLargeBatches = message.enableLargeBatchSplitting.value
        }
        if message.hasMaxExecutionBatchSize {
            batching.executionBatchSize = try executionBatchSize(
                message.maxExecutionBatchSize.value, batching)
        }
        for size in message.allowedBatchSizes {
            let size = try count(size, "allowed_batch_sizes", 1)
            guard batching.allowedBatchSizes.last.map({ $0 < size }) ?? true else {
                throw .request("allowed_batch_sizes must rise, found \(size)")
            }
            batching.allowedBatchSizes.append(size)
        }
        // Of batches that are cut, the executions have these sizes.
        let largest =
            batching.executionBatchSize.map { ($0, "max_execution_batch_size") }
            ?? batching.maxBatchSize.map { ($0, "max_batch_size") }
        if let last = batching.allowedBatchSizes.last, let (most, name) = largest, last != most {
            throw .request("the last of allowed_batch_sizes is \(last), expected \(name), \(most)")
        }
        return batching
    }

    private static func executionBatchSize(
        _ value: Int64, _ batching: Batching
    ) throws(WireError) -> Int {
        let size = try count(value, "max_execution_batch_size", 1)
        guard batching.splitsLargeBatches == true else {
            throw .request("max_execution_batch_size needs enable_large_batch_splitting")
        }
        if let most = batching.maxBatchSize, size > most {
            throw .request(
                "max_execution_batch_size is \(size), expected at most max_batch_size, \(most)")
        }
        return size
    }

    private static func count(
        _ value: Int64, _ name: String, _ least: Int64
    ) throws(WireError) -> Int {
        guard value >= least, value <= 1 << 30 else {
            throw .request("\(name) is \(value), expected \(least) to \(1 << 30)")
        }
        return Int(value)
    }
}
