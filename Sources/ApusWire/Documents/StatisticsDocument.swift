public import ApusCore

/// The body of the statistics routes. All eight members of `inference_stats` are always there:
/// perf_analyzer reads them without a check.
///
/// - Source: Triton, statistics extension.
public enum StatisticsDocument {
    public static func json(_ models: [(identity: ModelIdentity, statistics: ModelStatistics)])
        -> [UInt8]
    {
        var writer = JSONWriter(capacity: 64 + 1024 * models.count)
        writer.openObject()
        writer.member("model_stats", each: models) { $0.model($1.identity, $1.statistics) }
        writer.closeObject()
        return writer.bytes
    }
}

extension JSONWriter {
    fileprivate mutating func model(_ identity: ModelIdentity, _ statistics: ModelStatistics) {
        openObject()
        member("name", identity.name.text)
        member("version", identity.version.description)
        member("last_inference", statistics.lastInferenceMilliseconds)
        member("inference_count", statistics.inferenceCount)
        member("execution_count", statistics.executionCount)
        member("inference_stats") { writer in
            writer.duration("success", statistics.success)
            writer.duration("fail", statistics.fail)
            writer.duration("queue", statistics.queue)
            writer.duration("compute_input", statistics.computeInput)
            writer.duration("compute_infer", statistics.computeInfer)
            writer.duration("compute_output", statistics.computeOutput)
            // There is no response cache.
            writer.duration("cache_hit", DurationStatistic())
            writer.duration("cache_miss", DurationStatistic())
        }
        member("response_stats") { _ in }
        let batches = statistics.batches.sorted { $0.key < $1.key }
        member("batch_stats", each: batches) { writer, batch in
            writer.openObject()
            writer.member("batch_size", batch.key)
            writer.duration("compute_input", batch.value.computeInput)
            writer.duration("compute_infer", batch.value.computeInfer)
            writer.duration("compute_output", batch.value.computeOutput)
            writer.closeObject()
        }
        member("memory_usage", each: EmptyCollection<Int>()) { $0.integer($1) }
        closeObject()
    }

    private mutating func duration(_ name: String, _ statistic: DurationStatistic) {
        member(name) { writer in
            writer.member("count", statistic.count)
            writer.member("ns", statistic.nanoseconds)
        }
    }
}
