import ApusConfiguration
import ApusCore
import ApusEngine
import ApusONNX
import ApusScheduler

/// A bundle as it is served, before a scheduler is put in front of it.
struct AssembledModel {
    let model: any ExecutableModel
    /// Completed with what the model file says.
    let configuration: ModelConfiguration
    /// By output name: label files of the configuration, else the class names in the model.
    let labels: [String: [String]]
    /// Of its first golden case; empty if there is none, or a large one.
    let exampleInputs: [NamedTensor]
    /// What its owner should know.
    let warnings: [String]
    /// Why requests are not joined, where that may surprise.
    let rowNotice: RowNotice?
}

/// Joins ONNX and engine: reads a bundle's model, completes its configuration, runs its golden
/// cases and warms it. What `apus serve` loads with, and what `apus check` checks.
struct ModelAssembly: Sendable {
    let options: EngineOptions
    /// Batch size of a batchable model whose configuration names none; 0 = no batching.
    let defaultMaxBatchSize: Int
    /// Batching of such a model.
    let defaultBatching: DefaultBatching
    /// Bytes that one model may take.
    let memoryByteCountMax: Int
    private let rowProbes: RowProbeCache

    /// - Parameter stateDirectory: where findings are kept for the next start; nil = nowhere.
    /// - Throws: `AssemblyError.configuration` if a name in the engine section is not known.
    init(
        _ engine: EngineSection, defaultMaxBatchSize: Int,
        defaultBatching: DefaultBatching = .init(), stateDirectory: String? = nil
    ) throws(AssemblyError) {
        rowProbes = RowProbeCache(directory: stateDirectory)
        self.defaultBatching = defaultBatching
        options = try engine.makeOptions()
        self.defaultMaxBatchSize = defaultMaxBatchSize
        memoryByteCountMax = options.memoryByteCountMax
    }

    /// - Parameters:
    ///   - threadCountMax: cores for golden cases and warm-up.
    ///   - cancellation: asked on the way; once it has stopped, what is thrown is cancelled.
    func assemble(
        _ bundle: BundleFiles, _ configuration: ModelConfiguration, threadCountMax: Int,
        cancellation: RunControl? = nil,
        progress: (AssemblyStage) -> Void = { _ in }
    ) throws -> AssembledModel {
        let account = MemoryAccount(name: "memory_limit", byteCountMax: memoryByteCountMax)
        return try account.whileCurrent {
            try assemble(
                bundle, configuration, threadCountMax: threadCountMax, account: account,
                cancellation: cancellation, progress)
        }
    }

    /// - Parameter account: the current one; counts what the model takes.
    private func assemble(
        _ bundle: BundleFiles, _ configuration: ModelConfiguration, threadCountMax: Int,
        account: MemoryAccount, cancellation: RunControl?, _ progress: (AssemblyStage) -> Void
    ) throws -> AssembledModel {
        progress(.loading)
        var onnx = try ONNXModel.read(bundle.modelFile, options: readingOptions())
        try Self.checkIsServable(onnx.graph)
        let model = try EngineModel(
            onnx.takeGraph(), options: options, account: account, cancellation: cancellation)
        guard model.memoryByteCount <= memoryByteCountMax else {
            throw AssemblyError.memory(
                byteCount: model.memoryByteCount, byteCountMax: memoryByteCountMax)
        }
        progress(.validating)
        let probe = RowProbe(
            model: model, graph: onnx.graph, threadCountMax: threadCountMax,
            cancellation: cancellation, cache: rowProbes, contentDigest: onnx.contentDigest,
            arithmetic: "\(options.kernels.name)-\(options.denseProvider)-\(ApusVersion.text)")
        let rows = try probe.rows(versionDirectory: bundle.versionDirectory)
        let completion = ConfigurationCompletion(
            signature: model.signature, rows: rows.verdict,
            outputsFollowRows: rows.outputsFollowRows, defaultMaxBatchSize: defaultMaxBatchSize,
            defaultBatching: defaultBatching)
        let completed = try completion.complete(configuration)
        var labels = onnx.labels
        let files = try LabelFile.labels(completed, directory: bundle.modelDirectory)
        labels.merge(files) { _, fromFile in fromFile }
        try runGoldenCases(
            bundle, onnx, model, threadCountMax: threadCountMax, cancellation: cancellation)
        progress(.warming)
        try model.checkFixedShapes()
        let refined = RefinedModel(model, signature: completion.refinedSignature(completed))
        let warmUp = WarmUp(
            model: refined, maxBatchSize: completed.maxBatchSize, threadCountMax: threadCountMax,
            cancellation: cancellation)
        let problem = try warmUp.run().map { "warm-up with made-up inputs failed: \($0)" }
        return AssembledModel(
            model: refined, configuration: completed, labels: labels,
            exampleInputs: ExampleInputs.read(
                onnx.graph, versionDirectory: bundle.versionDirectory),
            warnings: problem.map { [$0] } ?? [],
            rowNotice: completion.notice(configuration, completed: completed))
    }

    private func readingOptions(replacesZipMaps: Bool = true) -> ONNXModel.Options {
        ONNXModel.Options(
            replacesZipMaps: replacesZipMaps, memoryByteCountMax: memoryByteCountMax)
    }

    /// Serving protocols carry tensors only.
    private static func checkIsServable(_ graph: Graph) throws {
        let values = graph.inputs.map { ("input", $0) } + graph.outputs.map { ("output", $0) }
        for (role, value) in values {
            guard case .tensor = value.type else {
                throw AssemblyError.configuration(
                    reason: "\(role) \"\(value.name)\" is \(value.type), only tensors are served")
            }
        }
    }

    private func runGoldenCases(
        _ bundle: BundleFiles, _ onnx: ONNXModel, _ model: EngineModel, threadCountMax: Int,
        cancellation: RunControl?
    ) throws {
        let golden = try GoldenCase(directory: bundle.versionDirectory)
        guard !golden.dataSets.isEmpty else { return }
        var (model, graph) = (model, onnx.graph)
        if !onnx.labels.isEmpty {
            // The cases were made with the model's own outputs, ZipMaps included.
            var original = try ONNXModel.read(
                bundle.modelFile, options: readingOptions(replacesZipMaps: false))
            model = try EngineModel(
                original.takeGraph(), options: options, cancellation: cancellation)
            graph = original.graph
        }
        let outcome = golden.run(
            model, graph, threadCountMax: threadCountMax, cancellation: cancellation)
        if cancellation?.isStopped == true { throw EngineError.cancelled }
        switch outcome {
        case .passed: return
        case .failed(let reason), .notRun(let reason):
            throw AssemblyError.goldenCase(path: bundle.versionDirectory, reason: reason)
        }
    }
}

/// The stages of `ModelAssembly.assemble`.
enum AssemblyStage { case loading, validating, warming }

/// Where a bundle's files are.
struct BundleFiles {
    /// With label files.
    let modelDirectory: String
    /// With golden cases.
    let versionDirectory: String
    let modelFile: String
}

extension EngineSection {
    /// - Throws: `AssemblyError.configuration` if a name is not known, or not of this machine.
    func makeOptions() throws(AssemblyError) -> EngineOptions {
        var options = EngineOptions()
        if isa != "auto" {
            let available = Kernels.available
            guard let kernels = available.first(where: { $0.name == isa }) else {
                let names = available.map(\.name).joined(separator: ", ")
                throw .configuration(
                    reason: "engine.isa is \"\(isa)\", this machine has auto, \(names)")
            }
            options.kernels = kernels
        }
        switch gemmProvider {
        case "auto": break
        case "apus": options.denseProvider = .apus
        case "openblas": options.denseProvider = .blas
        default:
            throw .configuration(
                reason: "engine.gemm_provider is \"\(gemmProvider)\", "
                    + "expected auto, openblas or apus")
        }
        options.flushesDenormals = flushDenormals
        if memoryLimit > 0 { options.memoryByteCountMax = memoryLimit }
        return options
    }

    /// Makes the memory budget of the configuration that of the process.
    func limitMemory() {
        MemoryAccount.process.setByteCountMax(
            memoryBudget > 0
                ? memoryBudget
                : MemoryLimits.budgetByteCount(limit: CgroupLimits.detect().memoryByteCount))
    }
}
