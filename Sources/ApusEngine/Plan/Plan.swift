import ApusCore
import CApusKernels

/// A flat sequence of steps for one set of input shapes. Immutable; instances bind it to memory.
///
/// `@unchecked Sendable` because all memory it points to is written only by `init`.
final class Plan: @unchecked Sendable {
    /// Where a buffer of the table comes from.
    enum Buffer {
        case constant(TensorBytes)
        /// Offset in the instance's arena.
        case arena(offset: Int)
        case input(Int)
        case output(Int)
        /// Nothing reads or writes it.
        case unused
    }

    /// Where the plan's result comes from.
    enum Output {
        /// Written by the steps into fresh memory, buffer `.output(index)`.
        case computed(PlannedTensor)
        case constant(Tensor)
        /// Constant memory under another shape.
        case constantBytes(TensorBytes, PlannedTensor)
        /// An input of the plan under this shape.
        case input(Int, Shape)
        /// The memory of an earlier output under this shape.
        case shared(Int, Shape)
    }

    let buffers: [Buffer]
    let outputs: [Output]
    let arenaByteCount: Int
    /// Scratch bytes per thread.
    let scratchByteCount: Int
    /// Rough number of arithmetic operations of all steps.
    let operationCount: Int
    /// One per step: what it belongs to.
    let labels: [String]
    let steps: UnsafeMutableBufferPointer<apus_step>
    private let boxes: [SwiftStep]
    private let arguments: [UnsafeMutableRawPointer]
    private let slots: [StepSlots]
    private let reservation: MemoryReservation
    private let foldedByteCount: Int

    /// What the plan takes besides the model's constants: steps, tables, contents folded into it.
    var byteCount: Int { reservation.byteCount + foldedByteCount }

    /// What a step, and an entry of the table of buffers, take; roughly.
    private static let (stepByteCount, bufferByteCount) = (640, 64)

    /// - Throws: `EngineError.limitExceeded`.
    init(assembled: PlanAssembler.Assembled) throws(EngineError) {
        let stepCount = assembled.nodes.reduce(0) { $0 + $1.steps.count }
        reservation = assembled.reservation
        foldedByteCount = assembled.foldedByteCount
        do {
            try reservation.grow(
                by: stepCount * Self.stepByteCount
                    + assembled.buffers.count * Self.bufferByteCount)
        } catch {
            throw EngineError(memory: error) ?? .limitExceeded(error.message)
        }
        buffers = assembled.buffers
        outputs = assembled.outputs
        arenaByteCount = assembled.arenaByteCount
        scratchByteCount = assembled.nodes.flatMap(\.steps).map(\.scratchByteCount).max() ?? 0
        // So that there may be one per thread.
        guard scratchByteCount <= Shape.elementCountMax else {
            throw .limitExceeded("a step needs \(scratchByteCount) bytes of scratch memory")
        }
        operationCount = assembled.nodes.flatMap(\.steps).reduce(0) { $0 &+ $1.operationCount }
        var labels: [String] = []
        var boxes: [SwiftStep] = []
        var arguments: [UnsafeMutableRawPointer] = []
        var slots: [StepSlots] = []
        steps = .allocate(capacity: stepCount)
        for node in assembled.nodes {
            let nodeSlots = StepSlots(
                inputs: Self.copy(node.inputSlots), outputs: Self.copy(node.outputSlots))
            slots.append(nodeSlots)
            for step in node.steps {
                var function: apus_step_function?
                var argument: UnsafeRawPointer?
                switch step.work {
                case .swift(let body):
                    let box = SwiftStep(slots: nodeSlots, body: body)
                    boxes.append(box)
                    function = runSwiftStep
                    argument = UnsafeRawPointer(Unmanaged.passUnretained(box).toOpaque())
                case .native(let native, let bytes):
                    let copy = UnsafeMutableRawPointer.allocate(
                        byteCount: max(bytes.count, 1), alignment: 64)
                    copy.copyMemory(from: bytes, byteCount: bytes.count)
                    arguments.append(copy)
                    function = native
                    argument = UnsafeRawPointer(copy)
                }
                (steps.baseAddress.map { $0 + labels.count })?.initialize(
                    to: apus_step(
                        function: function, argument: argument, is_serial: step.isSerial))
                labels.append(node.label)
            }
        }
        self.labels = labels
        self.boxes = boxes
        self.arguments = arguments
        self.slots = slots
    }

    deinit {
        steps.deallocate()
        for argument in arguments { argument.deallocate() }
        for slot in slots {
            slot.inputs.deallocate()
            slot.outputs.deallocate()
        }
    }

    /// The outputs' types and shapes.
    ///
    /// - Parameter signature: of the inputs that the plan was made for.
    func outputTensors(for signature: [PlannedTensor]) -> [PlannedTensor] {
        var result: [PlannedTensor] = []
        for output in outputs {
            switch output {
            case .computed(let tensor), .constantBytes(_, let tensor): result.append(tensor)
            case .constant(let tensor):
                result.append(PlannedTensor(tensor.dataType, tensor.shape))
            case .input(let source, let shape):
                result.append(PlannedTensor(signature[source].dataType, shape))
            case .shared(let source, let shape):
                result.append(PlannedTensor(result[source].dataType, shape))
            }
        }
        return result
    }

    private static func copy(_ values: [Int]) -> UnsafeMutablePointer<Int> {
        let pointer = UnsafeMutablePointer<Int>.allocate(capacity: max(values.count, 1))
        pointer.initialize(repeating: -1, count: max(values.count, 1))
        for (index, value) in values.enumerated() { pointer[index] = value }
        return pointer
    }
}

/// A step whose work is a Swift closure, behind the C step interface.
final class SwiftStep: Sendable {
    /// Unsafe for its pointers' sake; fine because the numbers behind them never change.
    nonisolated(unsafe) let slots: StepSlots
    let body: @Sendable (StepFrame) throws(EngineError) -> Void

    init(slots: StepSlots, body: @escaping @Sendable (StepFrame) throws(EngineError) -> Void) {
        self.slots = slots
        self.body = body
    }
}

/// Runs a `SwiftStep`; an error goes into the run's context and ends the run.
private func runSwiftStep(
    argument: UnsafeRawPointer?,
    buffers: UnsafePointer<UnsafeMutableRawPointer?>?,
    thread: UnsafePointer<apus_thread>?
) -> Int32 {
    guard let argument, let buffers, let thread else { return 1 }
    return Unmanaged<SwiftStep>.fromOpaque(argument)._withUnsafeGuaranteedRef { step in
        withUnsafePointer(to: step.slots) { slots in
            do throws(EngineError) {
                try step.body(StepFrame(buffers: buffers, slots: slots, thread: thread))
                return 0
            } catch {
                if let run = thread.pointee.run {
                    Unmanaged<RunFailure>.fromOpaque(run).takeUnretainedValue().record(error)
                }
                return 1
            }
        }
    }
}

/// The first error of a run.
final class RunFailure: Sendable {
    private let error = Guarded<EngineError?>(nil)

    func record(_ newError: EngineError) {
        error.withLock { if $0 == nil { $0 = newError } }
    }

    func take() -> EngineError? {
        error.withLock {
            let found = $0
            $0 = nil
            return found
        }
    }
}
