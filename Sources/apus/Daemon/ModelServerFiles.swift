import ApusConfiguration
import ApusCore
import ApusRepository
import ApusWire

/// The models and batching limits that files in TensorFlow Serving's form name.
struct ModelServerFiles {
    private(set) var models: [NamedModel] = []
    /// What models get that configure no batching themselves.
    private(set) var batching = DefaultBatching()

    /// Reads the files that the settings name, and applies what they say to `settings`.
    init(_ settings: inout Settings) throws(AssemblyError) {
        let repository = settings.repository
        if !repository.modelPath.isEmpty {
            models.append(
                NamedModel(name: try Self.name(repository), path: repository.modelPath))
        }
        if !repository.modelConfigFile.isEmpty {
            let path = repository.modelConfigFile
            let text = try Self.text(path)
            do {
                models += try ModelServerFile.models(text).map { model in
                    var named = NamedModel(name: model.name, path: model.basePath)
                    named.versionPolicy = model.versionPolicy
                    named.versionLabels = model.versionLabels
                    return named
                }
            } catch {
                throw .modelServerFile(path: path, reason: error.message)
            }
        }
        if !settings.scheduler.batchingParametersFile.isEmpty { try readBatching(&settings) }
    }

    private mutating func readBatching(_ settings: inout Settings) throws(AssemblyError) {
        let path = settings.scheduler.batchingParametersFile
        let text = try Self.text(path)
        let found: ModelServerFile.Batching
        do { found = try ModelServerFile.batching(text) } catch {
            throw .modelServerFile(path: path, reason: error.message)
        }
        if let size = found.maxBatchSize { settings.scheduler.defaultMaxBatchSize = size }
        if let count = found.enqueuedBatchCount {
            // Both are at most 2^30.
            settings.scheduler.maxQueueSize = count * settings.scheduler.defaultMaxBatchSize
        }
        // Larger requests are cut into executions of this size.
        if let size = found.executionBatchSize { settings.scheduler.defaultMaxBatchSize = size }
        if let micros = found.timeoutMicroseconds {
            batching.dynamic.maxQueueDelayMicroseconds = micros
        }
        batching.dynamic.preferredBatchSizes = found.allowedBatchSizes
        if found.splitsLargeBatches == false { batching.oversizedRequests = .refuse }
    }

    private static func name(_ repository: RepositorySection) throws(AssemblyError) -> ModelName {
        let last = repository.modelPath.split(separator: "/").last.map(String.init) ?? "model"
        do {
            return try ModelName(repository.modelName.isEmpty ? last : repository.modelName)
        } catch {
            throw .configuration(reason: "repository.model_name: \(error.message)")
        }
    }

    private static func text(_ path: String) throws(AssemblyError) -> String {
        do {
            guard let text = try TextFile.read(path) else {
                throw TextFile.Failure(description: "no such file")
            }
            return text
        } catch {
            throw .modelServerFile(path: path, reason: "\(error)")
        }
    }
}
