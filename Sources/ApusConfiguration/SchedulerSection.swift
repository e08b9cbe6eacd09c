/// How much work is admitted and how it is spread over the cores.
public struct SchedulerSection: Sendable, Hashable {
    /// Cores to compute on; 0 = what affinity and cgroup allow.
    public var cores = 0
    /// Requests that may wait per model version.
    public var maxQueueSize = 1_024
    /// Input bytes that the waiting requests of one model version may hold.
    public var maxQueueBytes = 1 << 30
    /// Batch size of a batchable model whose configuration names none; 0 = no batching.
    public var defaultMaxBatchSize = 32

    /// A file in TensorFlow Serving's form with batching limits; empty = none.
    public var batchingParametersFile = ""

    static let keys: [ConfigurationKey] = [
        .init(
            "scheduler", "cores", \.scheduler.cores,
            .integer(0...1_024, meaningOfZero: "what affinity and cgroup allow"),
            "Cores to compute on: instances and their threads are planned within it."),
        .init(
            "scheduler", "max_queue_size", \.scheduler.maxQueueSize, .integer(1...1_000_000),
            "Requests that may wait per model version; further ones are answered with 503."),
        .init(
            "scheduler", "max_queue_bytes", \.scheduler.maxQueueBytes,
            .byteCount(1_024...(1 << 50)),
            "Input bytes that the waiting requests of one model version may hold; then 503."),
        .init(
            "scheduler", "default_max_batch_size", \.scheduler.defaultMaxBatchSize,
            .integer(0...65_536, meaningOfZero: "no batching"),
            "Batch size of a batchable model whose configuration names none."),
        .init(
            "scheduler", "batching_parameters_file", \.scheduler.batchingParametersFile,
            .text("<path>"),
            "A file in TensorFlow Serving's form with max_batch_size, batch_timeout_micros, "
                + "allowed_batch_sizes and max_enqueued_batches for models that configure no "
                + "batching."),
    ]
}
