internal import ApusCore

/// A tensor as lines along one axis: element `i` of line `(o, j)` is element
/// `(o * length + i) * inner + j` of the tensor.
struct LineShape: Sendable {
    let outer: Int
    let length: Int
    let inner: Int

    /// Lines along one axis.
    init(_ shape: Shape, axis: Int) {
        outer = Array(shape[..<axis]).elementCount
        length = shape[axis]
        inner = Array(shape[(axis + 1)...]).elementCount
    }

    /// All dimensions from `axis` on are one line.
    init(_ shape: Shape, from axis: Int) {
        outer = Array(shape[..<axis]).elementCount
        length = Array(shape[axis...]).elementCount
        inner = 1
    }

    /// `outer` lines of neighbouring elements.
    init(outer: Int, length: Int) {
        self.outer = outer
        self.length = length
        inner = 1
    }

    /// Neighbouring lines that go through scratch memory together: what a cache line holds, less
    /// where lines are long.
    fileprivate var blockCount: Int { max(1, min(16, inner, 65536 / max(length, 1))) }
    fileprivate var blocksPerOuter: Int { (inner + blockCount - 1) / blockCount }
}

extension StepBuilder {
    /// Adds a step that computes output 0 from input 0 line by line. A line is worked on as
    /// neighbouring elements of the type that the tensor's type computes in, so that its result is
    /// the same wherever it lies.
    ///
    /// - Parameters:
    ///   - worksInPlace: `body` allows its two pointers to be the same.
    ///   - operationsPerElement: rough number, for the choice of threads.
    ///   - body: gets a line, where its result goes, and the number of the line, which counts `outer`
    ///     and `inner` together.
    mutating func addLines<Element: FloatNumber>(
        _ lines: LineShape, of type: Element.Type, worksInPlace: Bool, operationsPerElement: Int,
        _ body:
            @escaping @Sendable (
                StepFrame, UnsafePointer<Element.Value>, UnsafeMutablePointer<Element.Value>, Int
            ) -> Void
    ) {
        let (length, inner, block) = (lines.length, lines.inner, lines.blockCount)
        let blocks = lines.blocksPerOuter
        let count = lines.outer * blocks
        if worksInPlace { mayReuse(input: 0, forOutput: 0) }
        let grain = max(1, 4096 / max(length * block, 1))
        let operations = lines.outer * length * inner * operationsPerElement
        if inner == 1 && Element.self == Element.Value.self {
            addParallelStep(count: count, grain: grain, operationCount: operations) {
                frame, range in
                let x = frame.input(0, as: Element.Value.self)
                let y = frame.output(0, as: Element.Value.self)
                for line in range { body(frame, x + line * length, y + line * length, line) }
            }
            return
        }
        let scratch = 2 * block * length * MemoryLayout<Element.Value>.stride
        addParallelStep(
            count: count, grain: grain, scratchByteCount: scratch, operationCount: operations
        ) { frame, range in
            let x = frame.input(0, as: Element.self)
            let y = frame.output(0, as: Element.self)
            let source = frame.scratch(as: Element.Value.self)
            let target = source + block * length
            for unit in range {
                let (outer, first) = (unit / blocks, unit % blocks * block)
                let width = min(block, inner - first)
                let start = outer * length * inner + first
                for i in 0..<length {
                    for j in 0..<width { source[j * length + i] = x[start + i * inner + j].value }
                }
                for j in 0..<width {
                    let line = outer * inner + first + j
                    body(frame, source + j * length, target + j * length, line)
                }
                for i in 0..<length {
                    for j in 0..<width {
                        y[start + i * inner + j] = Element(storing: target[j * length + i])
                    }
                }
            }
        }
    }

    /// An input of parameters (scales, biases, means) in the type that the operator computes in;
    /// converted before the steps added later if it has another type.
    ///
    /// - Throws: if it is not of a floating-point type.
    mutating func parameter<Value: FloatMath>(
        _ input: Int, as type: Value.Type
    ) throws(EngineError) -> Parameter<Value> {
        let tensor = try inputs.tensor(input)
        if (tensor.dataType == .float && Value.self == Float.self)
            || (tensor.dataType == .double && Value.self == Double.self)
        {
            return .input(input)
        }
        let count = tensor.shape.elementCount
        let slot = try temporary(byteCount: count * MemoryLayout<Value>.stride)
        let visitor = ParameterConversion<Value>(input: input, slot: slot)
        guard let body = try tensor.dataType.visitFloat(visitor) else {
            throw inputs.fail("input \(input) has type \(tensor.dataType), expected a float type")
        }
        addParallelStep(count: count, grain: 2048, operationCount: count, body)
        return .memory(slot)
    }
}

/// Where parameters lie during a step.
enum Parameter<Value: FloatMath>: Sendable {
    case input(Int)
    case memory(BufferSlot)

    func pointer(_ frame: StepFrame) -> UnsafePointer<Value> {
        switch self {
        case .input(let index): frame.input(index)
        case .memory(let slot): UnsafePointer(frame.memory(slot, as: Value.self))
        }
    }
}

private struct ParameterConversion<Value: FloatMath>: FloatVisitor {
    let input: Int
    let slot: BufferSlot

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let (input, slot) = (input, slot)
        return { frame, range in
            let x = frame.input(input, as: Element.self)
            let y = frame.memory(slot, as: Value.self)
            for i in range { y[i] = Value(fromDouble: x[i].value.asDouble) }
        }
    }
}
