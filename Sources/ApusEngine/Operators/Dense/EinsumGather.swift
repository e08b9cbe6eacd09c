internal import ApusCore

/// Where an operand of an Einsum is.
enum EinsumSource: Sendable {
    case input(Int)
    /// Values on the way.
    case memory(BufferSlot)
    case output
}

extension StepBuilder {
    /// Adds the copy of an operand into rows, position by position of `layout`, each the sum over the
    /// loops of `sums`; lane 0 of both is the operand. The target is output 0 in its own type, or
    /// memory of `Value`.
    mutating func addGather<Value: DenseValue>(
        _ type: Value.Type, _ source: EinsumSource, _ layout: StridedLayout,
        _ sums: StridedLayout, to target: EinsumSource
    ) throws(EngineError) {
        let sourceType: DataType
        switch source {
        case .input(let index): sourceType = try inputs.dataType(index)
        case .memory, .output: sourceType = Value.dataType
        }
        let targetType: DataType
        switch target {
        case .output: targetType = outputs[0].dataType
        case .memory, .input: targetType = Value.dataType
        }
        let gather = EinsumGather<Value>(
            source: source, target: target, layout: layout, sums: sums, targetType: targetType)
        guard let body = try sourceType.visitFloat(gather) else {
            throw inputs.fail("elements of type \(sourceType) cannot be multiplied")
        }
        let (work, overflow) = layout.count.multipliedReportingOverflow(by: sums.count)
        addParallelStep(
            count: layout.count, grain: 256, operationCount: overflow ? Int.max / 4 : work, body)
    }
}

private struct EinsumGather<Value: DenseValue>: FloatVisitor {
    let source: EinsumSource
    let target: EinsumSource
    let layout: StridedLayout
    let sums: StridedLayout
    let targetType: DataType

    func visit<Source: FloatNumber>(_ type: Source.Type) throws(EngineError) -> StepBody {
        let visitor = EinsumGatherTarget<Source, Value>(gather: self)
        guard let body = try targetType.visitFloat(visitor) else {
            throw .invalidGraph("an Einsum cannot make elements of type \(targetType)")
        }
        return body
    }
}

private struct EinsumGatherTarget<Source: FloatNumber, Value: DenseValue>: FloatVisitor {
    let gather: EinsumGather<Value>

    func visit<Target: FloatNumber>(_ type: Target.Type) -> StepBody {
        let (layout, sums) = (gather.layout, gather.sums)
        let (source, target) = (gather.source, gather.target)
        let step = layout.innerStrides[0]
        return { frame, range in
            let x: UnsafePointer<Source> =
                switch source {
                case .input(let index): frame.input(index)
                case .memory(let slot): UnsafePointer(frame.memory(slot))
                case .output: UnsafePointer(frame.output(0))
                }
            let y: UnsafeMutablePointer<Target> =
                switch target {
                case .memory(let slot): frame.memory(slot)
                case .output, .input: frame.output(0)
                }
            layout.forEachRun(range) { run in
                for i in 0..<run.count {
                    let start = x + run.offsets[0] + i &* step
                    var value: Value
                    if sums.count == 1 {
                        value = Value(start.pointee.value)
                    } else {
                        value = 0
                        let inner = sums.innerStrides[0]
                        sums.forEachRun(0..<sums.count) { part in
                            for k in 0..<part.count {
                                value += Value(start[part.offsets[0] + k &* inner].value)
                            }
                        }
                    }
                    y[run.start + i] = Target(storing: Target.Value(value))
                }
            }
        }
    }
}

/// An Einsum of integers straight from its definition: for each element of the result all
/// combinations of the other labels.
struct EinsumLoops: IntegerVisitor {
    private let lengths: [Int]
    private let sumLengths: [Int]
    /// Per operand: strides of the result's labels, then of the others.
    private let strides: [[Int]]
    private let sumStrides: [[Int]]

    init(_ dimensions: Einsum.Dimensions) {
        let output = dimensions.output
        var others: [EinsumEquation.Label] = []
        for label in dimensions.operands.flatMap(\.labels)
        where !output.contains(label) && !others.contains(label) { others.append(label) }
        lengths = dimensions.shape(output)
        sumLengths = dimensions.shape(others)
        strides = dimensions.operands.map { operand in output.map { operand.strides[$0] ?? 0 } }
        sumStrides = dimensions.operands.map { operand in others.map { operand.strides[$0] ?? 0 } }
    }

    var outputCount: Int { lengths.elementCount }
    var operationCount: Int {
        let count = (lengths + sumLengths + [strides.count]).checkedElementCount
        return min(count ?? Int.max / 4, Int.max / 4)
    }

    func visit<Element: IntegerNumber>(_ type: Element.Type) -> StepBody {
        let work = self
        return { frame, range in
            let y = frame.output(0, as: Element.self)
            for position in range {
                y[position] = work.element(at: position, of: frame)
            }
        }
    }

    private func element<Element: IntegerNumber>(
        at position: Int, of frame: StepFrame
    ) -> Element {
        var starts = [Int](repeating: 0, count: strides.count)
        var rest = position
        for loop in lengths.indices.reversed() {
            for operand in starts.indices {
                starts[operand] += rest % lengths[loop] * strides[operand][loop]
            }
            rest /= lengths[loop]
        }
        guard !sumLengths.contains(0) else { return 0 }
        var index = [Int](repeating: 0, count: sumLengths.count)
        var sum = Element.zero
        var meter = CancellationMeter()
        while true {
            if meter.isCancelled(frame, after: starts.count * 8) { return sum }
            var product = Element.one
            for operand in starts.indices {
                var offset = starts[operand]
                for (loop, at) in index.enumerated() { offset += at * sumStrides[operand][loop] }
                product = .product(product, frame.input(operand, as: Element.self)[offset])
            }
            sum = .sum(sum, product)
            var loop = index.count - 1
            while loop >= 0 {
                index[loop] += 1
                if index[loop] < sumLengths[loop] { break }
                index[loop] = 0
                loop -= 1
            }
            if loop < 0 { return sum }
        }
    }
}
