/// How models are computed.
public struct EngineSection: Sendable, Hashable {
    /// Instruction set of the kernels; `auto` = the best this machine has.
    public var isa = "auto"
    /// Who multiplies matrices.
    public var gemmProvider = "auto"
    /// Whether denormal numbers count as zero.
    public var flushDenormals = false
    /// Bytes that one model may take; 0 = the budget.
    public var memoryLimit = 0
    /// Bytes that all models and requests may take together; 0 = what there is.
    public var memoryBudget = 0

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
            .byteCount(0...(1 << 50), meaningOfZero: "the memory budget"),
            "Memory that one model may take with all its requests; a larger one fails to load, "
                + "requests over it are refused."),
        .init(
            "engine", "memory_budget", \.engine.memoryBudget,
            .byteCount(
                0...(1 << 50),
                meaningOfZero: "what machine, control group and address space allow, less 64 MiB"),
            "Memory that tensors, weights and plans of all models may take together; requests over "
                + "it are refused."),
    ]
}
