/// An option of Triton's `tritonserver` that is accepted, so that an existing start script runs.
/// Options that are spelled like ours (`--http-port`, `--model-repository`) need no row.
struct TritonOption: Sendable {
    enum Meaning: Sendable {
        /// Sets our key; the closure turns Triton's text into ours, nil = leave the key alone.
        case sameAs(String, @Sendable (String) -> String?)
        /// Sets several of our keys; nil = the text is no value of this option.
        case settings(@Sendable (String) -> [(name: String, value: String)]?)
        /// Accepted with a warning that gives the reason.
        case withoutEffect(String)
    }

    let flag: String
    let isBoolean: Bool
    let meaning: Meaning

    init(_ flag: String, _ name: String) {
        self.init(flag, name) { $0 }
    }

    init(
        _ flag: String, _ name: String, isBoolean: Bool = false,
        _ rewrite: @escaping @Sendable (String) -> String?
    ) {
        self.flag = flag
        self.isBoolean = isBoolean
        meaning = .sameAs(name, rewrite)
    }

    init(
        _ flag: String, settings: @escaping @Sendable (String) -> [(name: String, value: String)]?
    ) {
        self.flag = flag
        isBoolean = false
        meaning = .settings(settings)
    }

    init(ignored flag: String, isBoolean: Bool = false, _ reason: String) {
        self.flag = flag
        self.isBoolean = isBoolean
        meaning = .withoutEffect(reason)
    }
}

/// Triton's option names beside our own.
///
/// - Source: Triton Inference Server, `command_line_parser.cc`.
enum TritonOptions {
    static let all: [TritonOption] = [
        TritonOption("--model-store", "model_repository"),
        TritonOption("--repository-poll-secs", "rescan_interval") { "\($0)s" },
        TritonOption("--exit-timeout-secs", "exit_timeout") { "\($0)s" },
        TritonOption("--http-thread-count", "event_loops"),
        TritonOption("--model-load-thread-count", "load_concurrency"),
        TritonOption("--http-max-input-size", "max_body_size"),
        TritonOption("--allow-client-shm", "allow_shared_memory", isBoolean: true) { $0 },
        TritonOption("--grpc-infer-response-compression-level", "grpc_compression_level") {
            compressionLevels[$0.lowercased()] ?? $0
        },
        TritonOption("--grpc-keepalive-time", "grpc_ping_interval") { "\($0)ms" },
        TritonOption("--grpc-keepalive-timeout", "grpc_ping_timeout") { "\($0)ms" },
        TritonOption("--grpc-max-connection-age", "grpc_max_age") { "\($0)ms" },
        TritonOption("--trace-config", settings: traceSettings),
        TritonOption("--log-verbose", "log_level") { Int($0) ?? 1 > 0 ? "debug" : nil },
        TritonOption("--log-info", "log_level", isBoolean: true) { isFalse($0) ? "warning" : nil },
        TritonOption("--log-warning", "log_level", isBoolean: true) {
            isFalse($0) ? "error" : nil
        },
        TritonOption("--backend-config", "default_max_batch_size") { text in
            let name = "default-max-batch-size="
            guard let range = text.firstRange(of: name) else { return nil }
            return String(text[range.upperBound...])
        },

        TritonOption(ignored: "--log-error", isBoolean: true, "errors are always logged"),
        TritonOption(
            ignored: "--allow-http", isBoolean: true, "HTTP is how Apus serves; it is always on"),
        TritonOption(
            ignored: "--grpc-max-connection-age-grace",
            "calls in work are finished, however long they take"),
        TritonOption(
            ignored: "--grpc-keepalive-permit-without-calls", isBoolean: true,
            "pings are sent and allowed with and without calls"),
        TritonOption(
            ignored: "--grpc-http2-max-pings-without-data", "pings of clients are not counted"),
        TritonOption(
            ignored: "--grpc-http2-min-recv-ping-interval-without-data",
            "pings of clients are not counted"),
        TritonOption(
            ignored: "--grpc-http2-max-ping-strikes", "pings of clients are not counted"),
        TritonOption(
            ignored: "--grpc-infer-thread-count", "event_loops are for every protocol"),
        TritonOption(ignored: "--grpc-infer-allocation-pool-size", "buffers need no pool"),
        TritonOption(ignored: "--reuse-grpc-port", isBoolean: true, "one process per port"),
        TritonOption(ignored: "--reuse-http-port", isBoolean: true, "one process per port"),
        TritonOption(
            ignored: "--allow-cpu-metrics", isBoolean: true, "process metrics are always on"),
        TritonOption(ignored: "--allow-gpu-metrics", isBoolean: true, "no GPU is used"),
        TritonOption(ignored: "--metrics-interval-ms", "metrics are read when they are scraped"),
        TritonOption(
            ignored: "--strict-model-config", isBoolean: true,
            "configurations are always completed from the model"),
        TritonOption(
            ignored: "--disable-auto-complete-config", isBoolean: true,
            "configurations are always completed from the model"),
        TritonOption(ignored: "--backend-directory", "Apus has one built-in engine"),
        TritonOption(ignored: "--repoagent-directory", "Apus has no repository agents"),
        TritonOption(ignored: "--pinned-memory-pool-byte-size", "no GPU is used"),
        TritonOption(ignored: "--cuda-memory-pool-byte-size", "no GPU is used"),
        TritonOption(ignored: "--min-supported-compute-capability", "no GPU is used"),
        TritonOption(ignored: "--buffer-manager-thread-count", "copies need no threads"),
        TritonOption(ignored: "--rate-limit", "instances are planned within the core budget"),
        TritonOption(ignored: "--model-namespacing", isBoolean: true, "names are unique"),
    ]

    private static let compressionLevels = ["none": "0", "low": "1", "medium": "6", "high": "9"]

    /// `<setting>=<value>`, with the trace mode and a comma before it if it is one of a mode's.
    private static func traceSettings(_ text: String) -> [(name: String, value: String)]? {
        let mode = "triton,"
        let setting = text.hasPrefix(mode) ? text.dropFirst(mode.count) : text[...]
        guard let equals = setting.firstIndex(of: "=") else { return nil }
        let value = String(setting[setting.index(after: equals)...])
        switch setting[..<equals] {
        case "mode": return value == "triton" ? [] : nil
        case "file": return [("trace_file", value)]
        case "level": return [("trace_level", value)]
        case "rate": return [("trace_rate", value)]
        case "count": return [("trace_count", value)]
        case "log-frequency": return [("trace_log_frequency", value)]
        default: return nil
        }
    }

    private static func isFalse(_ text: String) -> Bool {
        ["false", "0", "no", "off"].contains(text.lowercased())
    }
}
