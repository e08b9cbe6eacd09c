/// How models are computed.
public struct EngineSection: Sendable, Hashable {
    /// Instruction set of the kernels; `auto` = the best this machine has.
    public var isa = "auto"
    /// Who multiplies matrices.
    public var gemmProvider = "auto"
    /// Whether denormal numbers count as zero.
    public var flushDenormals = false
    /// Bytes that one model may take; 0 = what the cgroup allows.
    public var memoryLimit = 0

    static let keys: [ConfigurationKey] = [
        .init(
            "engine", "isa", \.engine.isa, .text("<name>"),
            "Instruction set of the kernels: auto, or one that apus version lists."),
        .init(
            "engine", "gemm_provider", \.engine.gemmProvider, .text("<name>"),
            "Who multiplies matrices: auto, openblas or apus."),
        .init(
            "engine", "flush_denormals", \.engine.flushDenormals, .boolean,
            "Count denormal numbers as zero: faster on some models, no longer exact to ONNX."),
        .init(
            "engine", "memory_limit", \.engine.memoryLimit,
            .byteCount(0...(1 << 50), meaningOfZero: "what the cgroup allows"),
            "Memory that one model may take; a larger one fails to load."),
    ]
}
