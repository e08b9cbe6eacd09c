/// Every metric of Apus. A new one is one declaration here and its line in `all`.
///
/// - Source: Prometheus "Metric and label naming"; Triton "Metrics" for the `nv_` names, whose
///   spelling is fixed; TorchServe "Metrics" for the `ts_` names.
public enum MetricCatalogue {
    // MARK: Requests, per model version

    public static let requests = MetricDeclaration(
        "apus_requests_total", .counter, labels: ["model", "version", "outcome"],
        help: "Requests that reached a model version, by how they ended.")
    public static let requestDuration = MetricDeclaration(
        "apus_request_duration_seconds", .histogram(bounds: latencyBounds), unit: .seconds,
        labels: ["model", "version"],
        help: "From the first byte received to the answer ready to be encoded.")
    public static let stageDuration = MetricDeclaration(
        "apus_request_stage_duration_seconds", .histogram(bounds: latencyBounds), unit: .seconds,
        labels: ["model", "version", "stage"],
        help: "Time of one request in each stage, from receive to send.")
    public static let batchSize = MetricDeclaration(
        "apus_batch_size", .histogram(bounds: batchSizeBounds), labels: ["model", "version"],
        help: "Rows per execution.")
    public static let inferences = MetricDeclaration(
        "apus_inferences_total", .counter, labels: ["model", "version"],
        help: "Rows inferred: a batch of n adds n.")
    public static let executions = MetricDeclaration(
        "apus_executions_total", .counter, labels: ["model", "version"],
        help: "Executions of the model.")
    public static let queueDepth = MetricDeclaration(
        "apus_queue_depth", .gauge, labels: ["model", "version"],
        help: "Requests admitted that no instance has started.")
    public static let queueBytes = MetricDeclaration(
        "apus_queue_bytes", .gauge, unit: .bytes, labels: ["model", "version"],
        help: "Input bytes of the requests that no instance has started.")
    public static let instancesBusy = MetricDeclaration(
        "apus_instances_busy", .gauge, labels: ["model", "version"],
        help: "Instances that run a batch now.")

    // MARK: Repository

    public static let modelLoaded = MetricDeclaration(
        "apus_model_loaded", .gauge, labels: ["model", "version"],
        help: "1 while the version serves.")
    public static let modelState = MetricDeclaration(
        "apus_model_state", .gauge, labels: ["model", "version", "state"],
        help: "1 for each state that a version is in: loading, ready, failed, unloading; else 0.")
    public static let modelMemory = MetricDeclaration(
        "apus_model_memory_bytes", .gauge, unit: .bytes, labels: ["model", "version"],
        help: "Memory held for the version now: weights, plans, activations.")
    public static let modelLoadDuration = MetricDeclaration(
        "apus_model_load_duration_seconds", .histogram(bounds: loadBounds), unit: .seconds,
        labels: ["model"], help: "Time of each load that ended with a serving version.")
    public static let modelLoadFailures = MetricDeclaration(
        "apus_model_load_failures_total", .counter, labels: ["model"],
        help: "Loads that failed; the reason is in the repository index and in the log.")

    // MARK: Server

    public static let ready = MetricDeclaration(
        "apus_ready", .gauge, help: "1 while the server is ready, as its health routes say.")
    public static let httpRequests = MetricDeclaration(
        "apus_http_requests_total", .counter, labels: ["code"],
        help: "HTTP requests answered, by status code.")
    public static let httpConnections = MetricDeclaration(
        "apus_http_connections", .gauge, help: "HTTP connections that are open.")
    public static let httpReceived = MetricDeclaration(
        "apus_http_received_bytes_total", .counter, unit: .bytes,
        help: "Bytes of HTTP request bodies received.")
    public static let httpSent = MetricDeclaration(
        "apus_http_sent_bytes_total", .counter, unit: .bytes,
        help: "Bytes of HTTP response bodies sent.")
    public static let grpcRequests = MetricDeclaration(
        "apus_grpc_requests_total", .counter, labels: ["method", "code"],
        help: "gRPC calls ended, by method and status code.")
    public static let grpcConnections = MetricDeclaration(
        "apus_grpc_connections", .gauge, help: "gRPC connections that are open.")
    public static let grpcConnectionsEnded = MetricDeclaration(
        "apus_grpc_connections_ended_total", .counter, labels: ["reason"],
        help: "gRPC connections ended for too many resets, control frames or unread data.")
    public static let grpcReceived = MetricDeclaration(
        "apus_grpc_received_bytes_total", .counter, unit: .bytes,
        help: "Bytes of gRPC messages received, as they came.")
    public static let grpcSent = MetricDeclaration(
        "apus_grpc_sent_bytes_total", .counter, unit: .bytes,
        help: "Bytes of gRPC messages sent, as they went.")
    public static let longTurns = MetricDeclaration(
        "apus_event_loop_long_turns_total", .counter,
        help: "Turns of an event loop that used more than 2 ms of its thread's CPU time.")
    public static let longestTurn = MetricDeclaration(
        "apus_event_loop_longest_turn_seconds", .gauge, unit: .seconds,
        help: "CPU time of the longest of them.")
    public static let requestsRefused = MetricDeclaration(
        "apus_requests_refused_total", .counter, labels: ["reason"],
        help: "Inference requests refused before they reached a model.")

    // MARK: Process

    public static let buildInfo = MetricDeclaration(
        "apus_build_info", .gauge, labels: ["version"], help: "1, with the version of this Apus.")
    public static let coreBudget = MetricDeclaration(
        "apus_core_budget", .gauge,
        help: "Cores this process may use, by affinity and cgroup quota.")
    public static let memoryLimit = MetricDeclaration(
        "apus_memory_limit_bytes", .gauge, unit: .bytes,
        help: "Memory this process may use by its control group; absent without a limit.")
    public static let memoryBudget = MetricDeclaration(
        "apus_memory_budget_bytes", .gauge, unit: .bytes,
        help: "Memory that tensors, weights and plans of all models may take together.")
    public static let memoryHeld = MetricDeclaration(
        "apus_memory_held_bytes", .gauge, unit: .bytes,
        help: "Memory that tensors, weights and plans of all models take.")
    public static let processCPU = MetricDeclaration(
        "process_cpu_seconds_total", .counter, unit: .seconds,
        help: "CPU time of this process, user and system.")
    public static let processOpenDescriptors = MetricDeclaration(
        "process_open_fds", .gauge, help: "File descriptors that are open.")
    public static let processDescriptorsMax = MetricDeclaration(
        "process_max_fds", .gauge, help: "File descriptors that may be open.")
    public static let processVirtualMemory = MetricDeclaration(
        "process_virtual_memory_bytes", .gauge, unit: .bytes, help: "Address space in use.")
    public static let processResidentMemory = MetricDeclaration(
        "process_resident_memory_bytes", .gauge, unit: .bytes, help: "Memory resident in RAM.")
    public static let processThreads = MetricDeclaration(
        "process_threads", .gauge, help: "Threads of this process.")
    public static let processStartTime = MetricDeclaration(
        "process_start_time_seconds", .gauge, unit: .seconds,
        help: "When this process started, in seconds since 1970.")

    // MARK: Triton's names

    public static let tritonSuccess = MetricDeclaration(
        "nv_inference_request_success", .counter, labels: ["model", "version"],
        help: "Requests that ended well.")
    public static let tritonFailure = MetricDeclaration(
        "nv_inference_request_failure", .counter, labels: ["model", "version", "reason"],
        help: "Requests that failed, by reason.")
    public static let tritonCount = MetricDeclaration(
        "nv_inference_count", .counter, labels: ["model", "version"],
        help: "Rows inferred: a batch of n adds n.")
    public static let tritonExecutions = MetricDeclaration(
        "nv_inference_exec_count", .counter, labels: ["model", "version"],
        help: "Executions of the model.")
    public static let tritonRequestDuration = MetricDeclaration(
        "nv_inference_request_duration_us", .counter, unit: .microseconds,
        labels: ["model", "version"], help: "Time of successful requests, end to end.")
    public static let tritonQueueDuration = MetricDeclaration(
        "nv_inference_queue_duration_us", .counter, unit: .microseconds,
        labels: ["model", "version"], help: "Time that requests waited for an instance.")
    public static let tritonComputeInput = MetricDeclaration(
        "nv_inference_compute_input_duration_us", .counter, unit: .microseconds,
        labels: ["model", "version"], help: "Time to prepare inputs, counted per request.")
    public static let tritonComputeInfer = MetricDeclaration(
        "nv_inference_compute_infer_duration_us", .counter, unit: .microseconds,
        labels: ["model", "version"], help: "Time to run the model, counted per request.")
    public static let tritonComputeOutput = MetricDeclaration(
        "nv_inference_compute_output_duration_us", .counter, unit: .microseconds,
        labels: ["model", "version"], help: "Time to hand out outputs, counted per request.")
    public static let tritonPending = MetricDeclaration(
        "nv_inference_pending_request_count", .gauge, labels: ["model", "version"],
        help: "Requests enqueued that no instance has started.")
    public static let tritonLoadDuration = MetricDeclaration(
        "nv_model_load_duration_secs", .gauge, unit: .seconds, labels: ["model", "version"],
        help: "How long the load of the version took.")
    public static let tritonCPUUtilization = MetricDeclaration(
        "nv_cpu_utilization", .gauge, unit: .ratio,
        help: "Share of the machine's CPU time in use since the scrape before, 0 to 1.")
    public static let tritonMemoryTotal = MetricDeclaration(
        "nv_cpu_memory_total_bytes", .gauge, unit: .bytes, help: "Memory of the machine.")
    public static let tritonMemoryUsed = MetricDeclaration(
        "nv_cpu_memory_used_bytes", .gauge, unit: .bytes, help: "Memory in use on the machine.")

    // MARK: TorchServe's names, if its dialect is spoken

    public static let torchServeRequests = MetricDeclaration(
        "ts_inference_requests_total", .counter, labels: torchServeLabels,
        help: "Requests that reached a model version.")
    public static let torchServeLatency = MetricDeclaration(
        "ts_inference_latency_microseconds", .counter, unit: .microseconds,
        labels: torchServeLabels, help: "Time of requests, end to end, summed.")
    public static let torchServeQueueLatency = MetricDeclaration(
        "ts_queue_latency_microseconds", .counter, unit: .microseconds, labels: torchServeLabels,
        help: "Time that requests waited for an instance, summed.")
    private static let torchServeLabels = ["model_name", "model_version", "hostname"]

    /// All of the above, in that order; printing sorts by name.
    public static let all: [MetricDeclaration] = [
        requests, requestDuration, stageDuration, batchSize, inferences, executions, queueDepth,
        queueBytes, instancesBusy,
        modelLoaded, modelState, modelMemory, modelLoadDuration, modelLoadFailures,
        ready, httpRequests, httpConnections, httpReceived, httpSent, grpcRequests, grpcConnections,
        grpcReceived, grpcSent, grpcConnectionsEnded, requestsRefused,
        longTurns, longestTurn,
        buildInfo, coreBudget, memoryLimit, memoryBudget, memoryHeld, processCPU,
        processOpenDescriptors,
        processDescriptorsMax,
        processVirtualMemory, processResidentMemory, processThreads, processStartTime,
        tritonSuccess, tritonFailure, tritonCount, tritonExecutions, tritonRequestDuration,
        tritonQueueDuration, tritonComputeInput, tritonComputeInfer, tritonComputeOutput,
        tritonPending, tritonLoadDuration, tritonCPUUtilization, tritonMemoryTotal,
        tritonMemoryUsed,
        torchServeRequests, torchServeLatency, torchServeQueueLatency,
    ]

    /// 25 µs to 10 s: from the parsing of a tiny request to a large model on few cores.
    private static let latencyBounds = [
        0.000025, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
        0.5, 1, 2.5, 5, 10,
    ]
    private static let batchSizeBounds: [Double] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    private static let loadBounds = [
        0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300,
    ]
}
