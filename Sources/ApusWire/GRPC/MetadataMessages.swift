package import ApusCore
import SwiftProtobuf

// What the server says of itself and its models, as messages of the inference service.

extension Inference_ModelMetadataResponse {
    package init(
        name: ModelName, versions: [ModelVersion], platform: String, signature: ModelSignature
    ) {
        self.init()
        self.name = name.text
        self.versions = versions.map(\.description)
        self.platform = platform
        inputs = signature.inputs.map(TensorMetadata.init)
        outputs = signature.outputs.map(TensorMetadata.init)
    }
}

extension Inference_ModelMetadataResponse.TensorMetadata {
    fileprivate init(_ specification: TensorSpecification) {
        self.init()
        name = specification.name
        datatype = specification.dataType.wireName ?? "\(specification.dataType)"
        shape = specification.shape.map(Int64.init)
    }
}

extension Inference_ModelStatistics {
    package init(_ identity: ModelIdentity, _ statistics: ModelStatistics) {
        self.init()
        name = identity.name.text
        version = identity.version.description
        lastInference = statistics.lastInferenceMilliseconds
        inferenceCount = statistics.inferenceCount
        executionCount = statistics.executionCount
        inferenceStats = .with {
            $0.success = .init(statistics.success)
            $0.fail = .init(statistics.fail)
            $0.queue = .init(statistics.queue)
            $0.computeInput = .init(statistics.computeInput)
            $0.computeInfer = .init(statistics.computeInfer)
            $0.computeOutput = .init(statistics.computeOutput)
            // There is no response cache; perf_analyzer wants its members to be there.
            $0.cacheHit = .init()
            $0.cacheMiss = .init()
        }
        batchStats = statistics.batches.sorted { $0.key < $1.key }.map { size, batch in
            .with {
                $0.batchSize = UInt64(size)
                $0.computeInput = .init(batch.computeInput)
                $0.computeInfer = .init(batch.computeInfer)
                $0.computeOutput = .init(batch.computeOutput)
            }
        }
    }
}

extension Inference_StatisticDuration {
    fileprivate init(_ statistic: DurationStatistic) {
        self.init()
        count = statistic.count
        ns = statistic.nanoseconds
    }
}
