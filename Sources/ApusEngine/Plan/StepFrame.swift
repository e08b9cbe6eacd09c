public import CApusKernels

/// What a step sees while it runs, on one of the threads that walk the plan.
public struct StepFrame {
    let buffers: UnsafePointer<UnsafeMutableRawPointer?>
    let slots: UnsafePointer<StepSlots>
    let thread: UnsafePointer<apus_thread>

    /// Elements of an input that the node names.
    public func input<Element>(
        _ index: Int, as type: Element.Type = Element.self
    ) -> UnsafePointer<Element> {
        UnsafePointer(pointer(slots.pointee.inputs[index]).assumingMemoryBound(to: type))
    }

    /// Elements of an output that the node names.
    public func output<Element>(
        _ index: Int, as type: Element.Type = Element.self
    ) -> UnsafeMutablePointer<Element> {
        pointer(slots.pointee.outputs[index]).assumingMemoryBound(to: type)
    }

    public func rawInput(_ index: Int) -> UnsafeRawPointer {
        UnsafeRawPointer(pointer(slots.pointee.inputs[index]))
    }

    public func rawOutput(_ index: Int) -> UnsafeMutableRawPointer {
        pointer(slots.pointee.outputs[index])
    }

    /// Memory that the builder gave out: a temporary or a packed constant.
    public func memory<Element>(
        _ slot: BufferSlot, as type: Element.Type = Element.self
    ) -> UnsafeMutablePointer<Element> {
        pointer(slot.index).assumingMemoryBound(to: type)
    }

    /// This thread's scratch memory of at least the byte count that the step asked for.
    public func scratch<Element>(as type: Element.Type = Element.self)
        -> UnsafeMutablePointer<Element>
    {
        guard let scratch = thread.pointee.scratch else {
            preconditionFailure("a step without scratch memory used it")
        }
        return UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: type)
    }

    public var threadIndex: Int { Int(thread.pointee.index) }
    public var threadCount: Int { Int(thread.pointee.count) }

    /// This thread's share of `count` items, in multiples of `grain`.
    public func share(of count: Int, grain: Int = 1) -> Range<Int> {
        var begin = 0
        var end = 0
        apus_share(count, max(grain, 1), thread, &begin, &end)
        return begin..<end
    }

    /// Whether nobody waits for the result any more. Steps that take long ask now and then, and return
    /// early: what they have written is not used. Asking also lets other threads run.
    public var isCancelled: Bool { apus_is_cancelled(thread) }

    /// Calls `body` with one piece of a range after another, until the run is cancelled.
    @inline(__always)
    func forEachPiece<Failure: Error>(
        of range: Range<Int>, length: Int, _ body: (Range<Int>) throws(Failure) -> Void
    ) throws(Failure) {
        var first = range.lowerBound
        while first < range.upperBound {
            let isLast = range.upperBound - first <= length
            let end = isLast ? range.upperBound : first + length
            try body(first..<end)
            first = end
            if !isLast, isCancelled { return }
        }
    }

    private func pointer(_ slot: Int) -> UnsafeMutableRawPointer {
        guard let pointer = buffers[slot] else {
            preconditionFailure("a plan's buffer \(slot) was not bound")
        }
        return pointer
    }
}

/// How long steps are cut into pieces.
enum StepPiece {
    /// Operations of one piece: between a tenth of a millisecond and a few of them, so that a run ends
    /// soon after it is cancelled, and that asking costs nothing beside the work.
    static let operationCount = 1 << 20

    /// Items of one piece, a multiple of `grain`.
    static func length(grain: Int, operationsPerItem: Int) -> Int {
        max(operationCount / max(operationsPerItem, 1) / max(grain, 1), 1) * max(grain, 1)
    }
}

/// Asks now and then whether the run is cancelled, in loops whose length has nothing to do with how
/// much there is to read and write.
struct CancellationMeter {
    private var operationCount = 0

    /// - Parameter count: rough number of arithmetic operations since the last call.
    @inline(__always)
    mutating func isCancelled(_ frame: StepFrame, after count: Int) -> Bool {
        operationCount &+= count
        guard operationCount >= StepPiece.operationCount else { return false }
        operationCount = 0
        return frame.isCancelled
    }
}

/// A place in the plan's table of buffers.
public struct BufferSlot: Sendable, Hashable {
    public let index: Int
}

/// Where a step's inputs and outputs are in the table of buffers; -1 for one that is left out.
struct StepSlots {
    let inputs: UnsafeMutablePointer<Int>
    let outputs: UnsafeMutablePointer<Int>
}

/// The engine's kernels for one instruction set.
///
/// `@unchecked Sendable` because the table is a constant of the process.
@dynamicMemberLookup
public struct Kernels: @unchecked Sendable {
    public let table: UnsafePointer<apus_kernel_table>

    /// The best instruction set of this CPU, or the forced one.
    public static var current: Kernels {
        guard let table = apus_kernels() else { preconditionFailure("no kernel table") }
        return Kernels(table: table)
    }

    /// All instruction sets that this CPU can run, best first.
    public static var available: [Kernels] {
        var count = 0
        guard let tables = apus_kernel_tables(&count) else { return [] }
        return (0..<count).compactMap { tables[$0].map { Kernels(table: $0) } }
    }

    public var name: String { String(cString: table.pointee.name) }

    @inlinable
    public subscript<Member>(dynamicMember path: KeyPath<apus_kernel_table, Member>) -> Member {
        table.pointee[keyPath: path]
    }
}
