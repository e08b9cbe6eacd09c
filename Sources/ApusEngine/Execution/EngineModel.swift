public import ApusCore
internal import CApusKernels

/// How models are run; the same for all models of a process.
public struct EngineOptions: Sendable {
    public var kernels = Kernels.current
    public var denseProvider = DenseProvider.apus
    /// Bytes that one model may take: weights, plans and the activations of all its runs together.
    public var memoryByteCountMax = Int.max
    /// Whether denormal numbers count as zero: faster where they occur, no longer exact to ONNX.
    public var flushesDenormals = false

    public init() {}
}

/// A graph ready to run: operators bound, constants folded. Immutable and shared by instances, but for
/// the memory that they keep.
public final class EngineModel: ExecutableModel {
    public let signature: ModelSignature
    let program: Program
    let packed: PackedConstants
    let memory: ModelMemory
    let options: EngineOptions

    /// Bytes of plans that an idle model keeps, per program.
    private static let idlePlanByteCount = 256 << 10

    /// Takes the graph over: constants that nodes read in a layout of their own are let go when the
    /// layout is made, unless the caller keeps the graph.
    ///
    /// - Parameters:
    ///   - account: counts what the model takes; the caller may have read the graph under it. Nil makes
    ///     a new one with the limit of the options.
    ///   - cancellation: asked on the way.
    /// - Throws: `EngineError` naming the node that is not supported or not valid; `.cancelled` once
    ///   `cancellation` has stopped.
    public init(
        _ graph: consuming Graph, options: EngineOptions = EngineOptions(),
        account: MemoryAccount? = nil,
        cancellation: RunControl? = nil
    ) throws(EngineError) {
        self.options = options
        packed = PackedConstants()
        let memory = ModelMemory(
            account: account
                ?? MemoryAccount(name: "memory_limit", byteCountMax: options.memoryByteCountMax))
        self.memory = memory
        var given: Graph? = consume graph
        // Plans that are made to find shapes stay in the cache, so they share the packed weights.
        let session = RunSession(packed: packed, memory: memory, options: options)
        session.cancellation = cancellation
        defer { session.giveMemoryBack() }
        (program, signature) = try memory.account.whileCurrent { () throws(EngineError) in
            guard var graph = given.take() else { throw .invalidGraph("there is none") }
            for pass in PassList.all {
                try session.checkCancelled()
                try pass.apply(to: &graph, session)
            }
            let program = try Program(consume graph)
            guard program.captures.isEmpty else {
                throw .invalidGraph("\"\(program.captures[0])\" is read, but nothing makes it")
            }
            let signature = try SignatureInference.signature(of: program, session)
            try session.checkCancelled()
            return (program, signature)
        }
        EngineMemory.add(self)
    }

    deinit { EngineMemory.remove(self) }

    /// Constants, plans, and the activations of runs, those that are kept for the next one included.
    public var memoryByteCount: Int {
        // Constants that were read under no account are counted by themselves.
        max(memory.account.byteCount, packed.byteCount + program.constantByteCount)
    }

    /// Frees what is kept only to be quick, and not in use.
    func releaseIdle() {
        memory.dropIdle()
        program.shrinkPlans(toByteCount: Self.idlePlanByteCount)
    }

    /// Whether the rows of a batch stay apart in the model, from its graph alone; and whether each output
    /// has as many rows as the inputs, nil if that depends on data.
    ///
    /// - Parameter cancellation: asked on the way; once it has stopped, nothing more is proven.
    public func analyseRows(
        cancellation: RunControl? = nil
    ) -> (verdict: RowVerdict, outputsFollowRows: Bool?) {
        let session = RunSession(packed: packed, memory: memory, options: options)
        session.cancellation = cancellation
        defer { session.giveMemoryBack() }
        let result = memory.account.whileCurrent { RowAnalysis.result(of: program, session) }
        return (result.verdict, result.outputsFollowRows)
    }

    /// Operator types with the number of nodes, after optimisation.
    public var operatorCounts: [String: Int] {
        program.nodes.reduce(into: [:]) { $0[$1.node.opType, default: 0] += 1 }
    }

    public func makeInstance() throws -> any ExecutableInstance { EngineInstance(self) }

    /// Plans a model whose inputs have one possible shape, which says whether it can run at all.
    ///
    /// - Throws: what is wrong whatever the inputs hold.
    public func checkFixedShapes() throws(EngineError) {
        var inputs: [PlannedTensor] = []
        for input in signature.inputs {
            guard input.dataType != .string, input.shape.allSatisfy({ $0 >= 0 }) else { return }
            inputs.append(PlannedTensor(input.dataType, input.shape))
        }
        let session = RunSession(packed: packed, memory: memory, options: options)
        defer { session.giveMemoryBack() }
        _ = try memory.account.whileCurrent { () throws(EngineError) in
            try ProgramRunner.entry(program, inputs, session)
        }
    }
}

/// One runner of a model.
public final class EngineInstance: ExecutableInstance {
    private let model: EngineModel
    private let session: RunSession

    init(_ model: EngineModel) {
        self.model = model
        session = RunSession(
            packed: model.packed, memory: model.memory, options: model.options)
    }

    public func run(
        _ inputs: [Tensor?], threadCountMax: Int, cancellation: RunControl?
    ) throws -> [Tensor] {
        let values = try runValues(
            inputs.map { $0.map { .tensor($0) } }, threadCountMax: threadCountMax,
            cancellation: cancellation)
        return try zip(model.program.graph.outputs, values).map { output, value in
            guard let tensor = value.tensor else {
                throw EngineError.invalidInput("output \"\(output.name)\" is not a tensor")
            }
            return tensor
        }
    }

    /// The same for models whose inputs or outputs are sequences, optionals or maps.
    public func runValues(
        _ inputs: [Value?], threadCountMax: Int, cancellation: RunControl?
    ) throws(EngineError) -> [Value] {
        let expected = model.program.graph.inputs
        guard inputs.count == expected.count else {
            throw .invalidInput(
                "\(inputs.count) inputs were given, the model has \(expected.count)")
        }
        var given = inputs
        for (index, specification) in expected.enumerated() {
            if let value = inputs[index] {
                try Self.check(value, specification)
            } else if case .optional(let element) = specification.type {
                given[index] = .optional(nil, element: element)
            }
        }
        session.threadCountMax = threadCountMax
        session.cancellation = cancellation
        defer {
            session.cancellation = nil
            session.giveMemoryBack()
        }
        return try model.memory.account.whileCurrent { () throws(EngineError) in
            try ProgramRunner.run(model.program, given, session)
        }
    }

    /// Runs once and says what each step took.
    ///
    /// - Returns: labels and nanoseconds in order, or nil if the model runs on values.
    public func profile(
        _ inputs: [Tensor], threadCountMax: Int
    ) throws(EngineError) -> [(label: String, nanoseconds: UInt64)]? {
        let signature = inputs.map { PlannedTensor($0.dataType, $0.shape) }
        guard case .plan(let plan) = try ProgramRunner.entry(model.program, signature, session)
        else { return nil }
        session.threadCountMax = threadCountMax
        session.stepNanoseconds = [UInt64](repeating: 0, count: plan.labels.count)
        defer {
            session.stepNanoseconds = nil
            session.giveMemoryBack()
        }
        var aligned: [Tensor] = []
        for tensor in inputs { aligned.append(try NodeEvaluator.aligned(tensor)) }
        _ = try session.run(plan, aligned)
        return zip(plan.labels, session.stepNanoseconds ?? []).map { ($0, $1) }
    }

    private static func check(_ value: Value, _ input: GraphValue) throws(EngineError) {
        guard value.type == input.type else {
            throw .invalidInput("input \"\(input.name)\" is \(value.type), expected \(input.type)")
        }
        guard let tensor = value.tensor, let shape = input.shape else { return }
        let fits =
            tensor.shape.count == shape.count
            && zip(tensor.shape, shape).allSatisfy { $1 < 0 || $0 == $1 }
        guard fits else {
            throw .invalidInput(
                "input \"\(input.name)\" has shape \(tensor.shape), expected \(shape)")
        }
    }
}

/// The OpenBLAS that is linked.
public enum BLASLibrary {
    /// The processor core that it computes for, e.g. `SkylakeX`.
    public static var coreName: String { String(cString: apus_blas_core_name()) }
}

/// Starts the helper threads of all engines; `count` computing threads, callers included.
public func startEngineThreads(count: Int) {
    apus_blas_use_one_thread()
    apus_team_start(Int32(clamping: max(count - 1, 0)))
}
