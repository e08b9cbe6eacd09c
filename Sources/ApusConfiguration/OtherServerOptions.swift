/// Option names of TensorFlow Serving, OpenVINO Model Server, KServe's Python servers and TorchServe,
/// so that existing start scripts run. Options that are spelled like ours but for underscores
/// (`--http_port`, `--model_name`) need no row.
///
/// - Source: TensorFlow Serving, `model_servers/main.cc`; OpenVINO Model Server, "Model server
///   parameters"; KServe, ServingRuntime specifications; TorchServe, "Running TorchServe".
enum OtherServerOptions {
    static let all: [TritonOption] = tensorFlow + others

    private static let tensorFlow: [TritonOption] = [
        TritonOption("--port", "grpc_port"),
        TritonOption("--rest_api_port", "http_port"),
        TritonOption("--rest_api_num_threads", "event_loops"),
        TritonOption("--rest_api_timeout_in_ms", "request_timeout") { "\($0)ms" },
        TritonOption("--model_base_path", "model_path"),
        TritonOption("--file_system_poll_wait_seconds", "rescan_interval") { text in
            // 0 looks once, negative numbers never: ours follows changes as they settle.
            Int(text).map { $0 > 0 } == true ? "\(text)s" : nil
        },
        TritonOption("--grpc_max_threads", "event_loops"),
        TritonOption(
            ignored: "--model_config_file_poll_wait_seconds",
            "the file is read at start; HandleReloadConfigRequest changes what is served"),
        TritonOption(ignored: "--enable_batching", isBoolean: true, "batching is always on"),
        TritonOption(ignored: "--model_platform", "models are ONNX files"),
        TritonOption(
            ignored: "--allow_version_labels_for_unavailable_models", isBoolean: true,
            "labels may name any version"),
        TritonOption(
            ignored: "--tensorflow_session_parallelism", "cores are planned: see scheduler.cores"),
        TritonOption(
            ignored: "--tensorflow_intra_op_parallelism", "cores are planned: see scheduler.cores"),
        TritonOption(
            ignored: "--tensorflow_inter_op_parallelism", "cores are planned: see scheduler.cores"),
        TritonOption(
            ignored: "--enable_model_warmup", isBoolean: true, "models are always warmed up"),
        TritonOption(ignored: "--monitoring_config_file", "metrics are always on"),
        TritonOption(ignored: "--max_num_load_retries", "a changed version is tried again"),
        TritonOption(ignored: "--load_retry_interval_micros", "a changed version is tried again"),
        TritonOption(ignored: "--num_load_threads", "see repository.load_concurrency"),
        TritonOption(ignored: "--flush_filesystem_caches", isBoolean: true, "files are mapped"),
    ]

    private static let others: [TritonOption] = [
        TritonOption("--rest_port", "http_port"),
        TritonOption("--rest_bind_address", "http_address"),
        TritonOption("--grpc_bind_address", "grpc_address"),
        TritonOption("--model_dir", "model_path"),
        TritonOption("--models", "load_model"),
        TritonOption(ignored: "--workers", "one process serves on all cores"),
        TritonOption(ignored: "--rest_workers", "one process serves on all cores"),
        TritonOption(ignored: "--grpc_workers", "one process serves on all cores"),
        TritonOption(ignored: "--ts-config", "TorchServe's configuration is not read"),
        TritonOption(ignored: "--start", isBoolean: true, "apus serve runs in the foreground"),
        TritonOption(ignored: "--foreground", isBoolean: true, "apus serve runs in the foreground"),
        TritonOption(ignored: "--ncs", isBoolean: true, "there are no snapshots"),
        TritonOption(ignored: "--no-config-snapshots", isBoolean: true, "there are no snapshots"),
        TritonOption(
            ignored: "--disable-token-auth", isBoolean: true, "there are no tokens to switch off"),
        TritonOption(
            ignored: "--enable-model-api", isBoolean: true, "models can be loaded and unloaded"),
    ]
}
