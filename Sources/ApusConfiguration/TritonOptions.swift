/// An option of Triton's `tritonserver` that is accepted, so that an existing start script runs.
/// Options that are spelled like ours (`--http-port`, `--model-repository`) need no row.
struct TritonOption: Sendable {
    enum Meaning: Sendable {
        /// Sets our key; the closure turns Triton's text into ours, nil = leave the key alone.
        case sameAs(String, @Sendable (String) -> String?)
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
        TritonOption(ignored: "--allow-grpc", isBoolean: true, "this version serves HTTP only"),
        TritonOption(ignored: "--grpc-port", "this version serves HTTP only"),
        TritonOption(ignored: "--grpc-address", "this version serves HTTP only"),
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

    private static func isFalse(_ text: String) -> Bool {
        ["false", "0", "no", "off"].contains(text.lowercased())
    }
}
