import ApusCore
public import CApusKernels

/// Takes a node's work during planning. Steps run in the order they are added, with a barrier
/// between them.
public struct StepBuilder {
    public let inputs: PlanInputs
    /// Type and shape of each output in the node's order; also of those the node leaves out.
    public let outputs: [PlannedTensor]
    public let kernels: Kernels
    /// Who computes dense products.
    public let denseProvider: DenseProvider
    let nodeInputs: [PlanAssembler.Operand?]
    let nodeOutputs: [PlanAssembler.Operand?]
    let assembler: PlanAssembler
    var steps: [PlannedStep] = []
    var aliases: [(output: Int, input: Int)] = []
    var reuses: [(output: Int, input: Int)] = []
    /// Inputs that the steps know in another layout only.
    var packedInputs: Set<Int> = []

    /// Whether somebody uses this output.
    public func wants(output index: Int) -> Bool {
        index < nodeOutputs.count && nodeOutputs[index] != nil
    }

    /// Adds work that every thread calls once, each doing its share (`frame.share`).
    ///
    /// - Parameters:
    ///   - isSerial: only one thread calls `body`.
    ///   - scratchByteCount: scratch memory per thread.
    ///   - operationCount: rough number of arithmetic operations, for the choice of threads.
    public mutating func addStep(
        isSerial: Bool = false, scratchByteCount: Int = 0, operationCount: Int = 0,
        _ body: @escaping @Sendable (StepFrame) throws(EngineError) -> Void
    ) {
        steps.append(
            PlannedStep(
                isSerial: isSerial, scratchByteCount: scratchByteCount,
                operationCount: operationCount, work: .swift(body)))
    }

    /// Adds work over `0..<count` that threads share in multiples of `grain`. Each does its share in
    /// pieces, between which the run can be cancelled.
    ///
    /// - Parameter pieceGrain: pieces are multiples of it; nil = `grain`.
    public mutating func addParallelStep(
        count: Int, grain: Int = 1, pieceGrain: Int? = nil, scratchByteCount: Int = 0,
        operationCount: Int = 0,
        _ body: @escaping @Sendable (StepFrame, Range<Int>) throws(EngineError) -> Void
    ) {
        let length = StepPiece.length(
            grain: pieceGrain ?? grain, operationsPerItem: operationCount / max(count, 1))
        addStep(scratchByteCount: scratchByteCount, operationCount: operationCount) {
            frame throws(EngineError) in
            let share = frame.share(of: count, grain: grain)
            try frame.forEachPiece(of: share, length: length) { range throws(EngineError) in
                try body(frame, range)
            }
        }
    }

    /// Adds a C step; `argument` is copied into the plan. Buffers in it are slots.
    public mutating func addNativeStep<Argument: BitwiseCopyable & Sendable>(
        _ function: @escaping apus_step_function, _ argument: Argument, isSerial: Bool = false,
        scratchByteCount: Int = 0, operationCount: Int = 0
    ) {
        steps.append(
            PlannedStep(
                isSerial: isSerial, scratchByteCount: scratchByteCount,
                operationCount: operationCount,
                work: .native(function, withUnsafeBytes(of: argument) { Array($0) })))
    }

    /// The output is the input's memory under another shape: no work.
    public mutating func alias(output: Int, input: Int) { aliases.append((output, input)) }

    /// The steps allow the output to lie where the input lies (element i is read before it is
    /// written, and no other element is read later). A hint; both need equal byte counts.
    public mutating func mayReuse(input: Int, forOutput output: Int) {
        reuses.append((output, input))
    }

    /// Counts memory that the steps keep for as long as the plan: call it before a table is made.
    public func charge(byteCount: Int) throws(EngineError) {
        try assembler.charge(byteCount: byteCount)
    }

    /// Memory that lives during this node's steps, aligned to 64 bytes.
    public mutating func temporary(byteCount: Int) throws(EngineError) -> BufferSlot {
        try assembler.makeTemporary(byteCount: byteCount)
    }

    /// A constant input in another layout, made once per model and shared by all plans. The node's
    /// steps must not read the input itself: when all nodes that read the constant have it in a
    /// layout, its elements are let go, so that weights are in memory once. So whether a node asks
    /// for a layout, and for which, depends on types, attributes and constants alone.
    ///
    /// - Parameters:
    ///   - layout: names the layout and everything that it depends on but the content.
    ///   - keepsElements: the node looks at the elements again when it is planned again.
    ///   - pack: writes the layout; the source may be unaligned.
    /// - Returns: nil if the input is not constant.
    public mutating func packedConstant(
        input index: Int, layout: String, byteCount: Int, keepsElements: Bool = false,
        pack: (UnsafeRawBufferPointer, UnsafeMutableRawBufferPointer) throws -> Void
    ) throws(EngineError) -> BufferSlot? {
        guard let constant = nodeInputs[index]?.modelConstant, constant.tensor.dataType != .string
        else { return nil }
        packedInputs.insert(index)
        return try assembler.packed(
            constant, position: index, isOnlyForm: !keepsElements,
            layout: "\(kernels.name):\(layout)", byteCount: byteCount, pack: pack)
    }

    public func inputSlot(_ index: Int) -> BufferSlot {
        BufferSlot(index: nodeInputs[index]?.slot ?? -1)
    }

    public func outputSlot(_ index: Int) -> BufferSlot {
        BufferSlot(index: nodeOutputs[index]?.slot ?? -1)
    }
}

/// Which provider computes dense products (design section 5).
public enum DenseProvider: String, Sendable, CaseIterable {
    /// Our packed kernels: results do not depend on the batch.
    case apus
    /// OpenBLAS.
    case blas
}

/// One step before it is bound to slots.
struct PlannedStep {
    enum Work {
        case swift(@Sendable (StepFrame) throws(EngineError) -> Void)
        case native(apus_step_function, [UInt8])
    }
    var isSerial: Bool
    var scratchByteCount: Int
    var operationCount: Int
    var work: Work
}
