import ApusCore
import CApusKernels

/// One instance's settings and the memory of its run, used by one run at a time.
///
/// `@unchecked Sendable` because an instance is confined to one thread at a time; folding and
/// sub-graphs run inside that thread's call.
public final class RunSession: @unchecked Sendable {
    let packed: PackedConstants
    let kernels: Kernels
    let denseProvider: DenseProvider
    /// Counts what runs take.
    let account: MemoryAccount
    /// No tensor and no arena may be larger.
    let memoryByteCountMax: Int
    private let memory: ModelMemory
    private let flushesDenormals: Bool
    var threadCountMax = 1
    var cancellation: RunControl?
    /// If not nil: receives the nanoseconds of each step of the outermost plan.
    var stepNanoseconds: [UInt64]?
    /// Depth of sub-graphs; each depth has its own arena.
    private var depth = 0
    private var arenas: [AlignedMemory?] = []
    private var scratch: AlignedMemory?
    /// What the nodes that are being evaluated have reserved.
    var reservations: [MemoryReservation] = []
    private let failure = RunFailure()
    /// When other threads were last let run.
    private var turn: UInt64 = 0

    init(packed: PackedConstants, memory: ModelMemory, options: EngineOptions) {
        self.packed = packed
        self.memory = memory
        self.account = memory.account
        self.kernels = options.kernels
        self.denseProvider = options.denseProvider
        self.memoryByteCountMax = memory.account.byteCountMax
        self.flushesDenormals = options.flushesDenormals
    }

    var services: PlanServices {
        PlanServices(
            kernels: kernels, denseProvider: denseProvider, packed: packed,
            account: account, memoryByteCountMax: memoryByteCountMax
        ) { bound, inputs throws(EngineError) in
            try NodeEvaluator.evaluate(bound, inputs, captured: [:], constants: [:], self)
        }
    }

    /// Throws once nobody waits for the answer; also lets other threads run.
    func checkCancelled() throws(EngineError) {
        apus_give_way(&turn)
        if cancellation?.isStopped == true { throw .cancelled }
    }

    /// Runs `body` one level deeper.
    func nested<Result>(_ body: () throws(EngineError) -> Result) throws(EngineError) -> Result {
        depth += 1
        defer { depth -= 1 }
        return try body()
    }

    /// Runs a plan. `inputs` are aligned, and have the plan's types and shapes.
    func run(_ plan: Plan, _ inputs: [Tensor]) throws(EngineError) -> [Tensor] {
        var outputs: [AlignedMemory?] = []
        do {
            for output in plan.outputs {
                if case .computed(let tensor) = output {
                    outputs.append(try AlignedMemory(byteCount: tensor.byteCount ?? 0))
                } else {
                    outputs.append(nil)
                }
            }
            let arena = try arenaMemory(byteCount: plan.arenaByteCount)
            try execute(plan, inputs, outputs, arena)
            return try results(of: plan, inputs, outputs)
        } catch let error as EngineError {
            throw error
        } catch let error as CoreError {
            throw EngineError(memory: error) ?? .invalidInput(error.message)
        } catch {
            throw .invalidInput("\(error)")
        }
    }

    private func execute(
        _ plan: Plan, _ inputs: [Tensor], _ outputs: [AlignedMemory?], _ arena: AlignedMemory
    ) throws {
        let isSmall = plan.operationCount < 200_000
        let threads = isSmall ? 1 : max(threadCountMax, 1)
        let stride = (plan.scratchByteCount + 63) & ~63
        let scratch = try scratchMemory(byteCount: stride * threads)
        let result = withUnsafeTemporaryAllocation(
            of: UnsafeMutableRawPointer?.self, capacity: max(plan.buffers.count, 1)
        ) { table in
            for (index, buffer) in plan.buffers.enumerated() {
                table.initializeElement(
                    at: index,
                    to: pointer(to: buffer, inputs, outputs, arena))
            }
            var run = apus_plan_run()
            run.steps = UnsafePointer(plan.steps.baseAddress)
            run.step_count = plan.steps.count
            run.buffers = UnsafePointer(table.baseAddress)
            run.scratch = scratch.pointer.assumingMemoryBound(to: UInt8.self)
            run.scratch_stride = stride
            run.thread_count_max = Int32(clamping: threads)
            run.is_short = isSmall
            run.run = Unmanaged.passUnretained(failure).toOpaque()
            run.flushes_denormals = flushesDenormals
            return withExtendedLifetime((inputs, outputs, cancellation)) {
                withTimes { times in
                    run.step_nanoseconds = times
                    run.is_cancelled = cancellation == nil ? nil : isRunCancelled
                    run.cancellation = cancellation.map {
                        UnsafeMutableRawPointer(Unmanaged.passUnretained($0).toOpaque())
                    }
                    return apus_plan_execute(&run)
                }
            }
        }
        if result == -1 { throw EngineError.cancelled }
        if result != 0 {
            throw failure.take() ?? EngineError.invalidInput("a step of the plan failed")
        }
    }

    private func withTimes(_ body: (UnsafeMutablePointer<UInt64>?) -> Int32) -> Int32 {
        guard depth == 0, stepNanoseconds != nil else { return body(nil) }
        return stepNanoseconds?.withUnsafeMutableBufferPointer { body($0.baseAddress) } ?? body(nil)
    }

    private func pointer(
        to buffer: Plan.Buffer, _ inputs: [Tensor], _ outputs: [AlignedMemory?],
        _ arena: AlignedMemory
    ) -> UnsafeMutableRawPointer? {
        switch buffer {
        case .constant(let bytes): UnsafeMutableRawPointer(mutating: bytes.pointer)
        case .arena(let offset): arena.pointer + offset
        case .input(let index):
            inputs[index].bytes.map { UnsafeMutableRawPointer(mutating: $0.pointer) }
        case .output(let index): outputs[index]?.pointer
        case .unused: nil
        }
    }

    private func results(
        of plan: Plan, _ inputs: [Tensor], _ memory: [AlignedMemory?]
    ) throws -> [Tensor] {
        var results: [Tensor] = []
        for (index, output) in plan.outputs.enumerated() {
            switch output {
            case .constant(let tensor): results.append(tensor)
            case .constantBytes(let bytes, let tensor):
                results.append(
                    try Tensor(dataType: tensor.dataType, shape: tensor.shape, bytes: bytes))
            case .input(let source, let shape):
                results.append(try inputs[source].reshaped(to: shape))
            case .shared(let source, let shape):
                results.append(try results[source].reshaped(to: shape))
            case .computed(let tensor):
                guard let owner = memory[index] else {
                    throw EngineError.invalidGraph("an output has no memory")
                }
                results.append(
                    try Tensor(
                        dataType: tensor.dataType, shape: tensor.shape,
                        bytes: TensorBytes(
                            pointer: UnsafeRawPointer(owner.pointer),
                            count: tensor.byteCount ?? 0, owner: owner)))
            }
        }
        return results
    }

    private func arenaMemory(byteCount: Int) throws -> AlignedMemory {
        while arenas.count <= depth { arenas.append(nil) }
        if let arena = arenas[depth], arena.byteCount >= byteCount { return arena }
        give(&arenas[depth])
        let arena = try memory.take(byteCount: byteCount)
        arenas[depth] = arena
        return arena
    }

    private func scratchMemory(byteCount: Int) throws -> AlignedMemory {
        if let scratch, scratch.byteCount >= byteCount { return scratch }
        give(&scratch)
        let made = try memory.take(byteCount: byteCount)
        scratch = made
        return made
    }

    private func give(_ kept: inout AlignedMemory?) {
        if let block = kept.take() { memory.give(block) }
    }

    /// Lets other instances have the memory of a run that has ended.
    func giveMemoryBack() {
        for index in arenas.indices { give(&arenas[index]) }
        give(&scratch)
        memory.noteUse()
    }

    /// Runs `body`, which evaluates a node, and gives back what it reserved.
    func releasingReservations<Result>(
        _ body: () throws(EngineError) -> Result
    ) throws(EngineError) -> Result {
        let count = reservations.count
        defer { reservations.removeLast(reservations.count - count) }
        return try body()
    }
}

/// Asked by the plan between steps, and by long steps.
private func isRunCancelled(_ control: UnsafeMutableRawPointer?) -> Bool {
    guard let control else { return false }
    return Unmanaged<RunControl>.fromOpaque(control)._withUnsafeGuaranteedRef { $0.isStopped }
}
