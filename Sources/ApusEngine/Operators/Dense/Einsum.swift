internal import ApusCore

/// Sums of products over labelled dimensions.
///
/// Operands are multiplied from the first to the last, two at a time, as matrices: labels of both
/// that are still needed are the stack, other labels of both are summed. A repeated label is a
/// diagonal, a label of one operand alone is summed before.
///
/// - Shapes: by the equation; a length of 1 broadcasts.
/// - Types: floats (half precision sums in `float`) and integers, which wrap.
/// - Source: ONNX Einsum, opset 12.
struct Einsum: StepOperator {
    typealias Label = EinsumEquation.Label
    private let equation: EinsumEquation

    init(_ node: NodeReader) throws(EngineError) {
        guard let text = try node.bytes("equation") else {
            throw node.fail("attribute \"equation\" is missing")
        }
        equation = try EinsumEquation(text, node)
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let type = try inputs.commonType(0..<max(inputs.count, 1))
        let dimensions = try equation.resolved(inputs)
        return [PlannedTensor(type, dimensions.shape(dimensions.output))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let type = builder.outputs[0].dataType
        guard builder.outputs[0].shape.elementCount > 0 else { return }
        let dimensions = try equation.resolved(builder.inputs)
        switch type {
        case .float, .float16, .bfloat16:
            try EinsumChain<Float>(dimensions).plan(&builder)
        case .double: try EinsumChain<Double>(dimensions).plan(&builder)
        default:
            let work = EinsumLoops(dimensions)
            guard let body = try type.visitInteger(work) else {
                throw builder.inputs.fail("elements of type \(type) cannot be multiplied")
            }
            builder.addParallelStep(
                count: work.outputCount, grain: 64, operationCount: work.operationCount, body)
        }
    }

    /// An input's labels of more than one element, each once, with their strides.
    struct Operand: Sendable {
        private(set) var labels: [Label] = []
        private(set) var strides: [Label: Int] = [:]

        init(labels: [Label], shape: Shape) {
            for ((label, length), stride) in zip(zip(labels, shape), shape.rowMajorStrides)
            where length != 1 {
                if strides[label] == nil { self.labels.append(label) }
                strides[label, default: 0] += stride
            }
        }

        /// Labels whose elements lie row after row.
        init(rowMajor labels: [Label], _ dimensions: Dimensions) {
            self.init(labels: labels, shape: dimensions.shape(labels))
        }
    }

    /// An equation's labels on given shapes.
    struct Dimensions: Sendable {
        let lengths: [Label: Int]
        let operands: [Operand]
        let output: [Label]

        func shape(_ labels: [Label]) -> Shape { labels.map { lengths[$0] ?? 1 } }

        /// The loops over `labels`; lane 0 is the operand.
        func layout(_ labels: [Label], _ operand: Operand) -> StridedLayout {
            StridedLayout(
                lengths: shape(labels),
                strides: labels.map { SIMD4(operand.strides[$0] ?? 0, 0, 0, 0) })
        }
    }
}

/// The chain of products in floating point.
struct EinsumChain<Value: DenseValue> {
    private typealias Label = EinsumEquation.Label
    private let dimensions: Einsum.Dimensions

    init(_ dimensions: Einsum.Dimensions) { self.dimensions = dimensions }

    /// A value on the way: an input, or the product of the first few.
    private struct Factor {
        var source: EinsumSource
        var operand: Einsum.Operand
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let operands = dimensions.operands
        var current = Factor(source: .input(0), operand: operands[0])
        for index in operands.indices.dropFirst() {
            let next = Factor(source: .input(index), operand: operands[index])
            let later = Set(dimensions.output)
                .union(operands[(index + 1)...].flatMap(\.labels))
            current = try product(
                current, next, later, isLast: index == operands.count - 1, &builder)
        }
        if case .output = current.source { return }
        try builder.addGather(
            Value.self, current.source, dimensions.layout(dimensions.output, current.operand),
            sums(current.operand, keeping: dimensions.output), to: .output)
    }

    /// The loops over an operand's labels that are not kept.
    private func sums(_ operand: Einsum.Operand, keeping kept: [Label]) -> StridedLayout {
        dimensions.layout(operand.labels.filter { !kept.contains($0) }, operand)
    }

    private func product(
        _ left: Factor, _ right: Factor, _ later: Set<Label>, isLast: Bool,
        _ builder: inout StepBuilder
    ) throws(EngineError) -> Factor {
        let (a, b) = (left.operand.labels, right.operand.labels)
        let shared = a.filter { b.contains($0) }
        let stack = shared.filter { later.contains($0) }
        let depth = shared.filter { !later.contains($0) }
        let rows = a.filter { !b.contains($0) && later.contains($0) }
        let columns = b.filter { !a.contains($0) && later.contains($0) }
        let result = stack + rows + columns
        guard let stackCount = dimensions.shape(stack).checkedElementCount,
            let rowCount = dimensions.shape(rows).checkedElementCount,
            let columnCount = dimensions.shape(columns).checkedElementCount,
            let depthCount = dimensions.shape(depth).checkedElementCount,
            let count = dimensions.shape(result).checkedElementCount,
            dimensions.shape(a + b).checkedElementCount != nil
        else { throw builder.inputs.fail("a product on the way is too large") }
        let shape = ProductShape(
            stack: stackCount, rows: rowCount, columns: columnCount, depth: depthCount)
        let from = try arranged(left, stack + rows + depth, &builder)
        // B may come either way round.
        let isTransposed = b == stack + columns + depth && !columns.isEmpty
        let order = isTransposed ? stack + columns + depth : stack + depth + columns
        let by = try arranged(right, order, &builder)
        let isResult =
            isLast && builder.outputs[0].dataType == Value.dataType
            && dimensions.output.filter({ dimensions.lengths[$0] != 1 }) == result
        let (byteCount, overflow) = count.multipliedReportingOverflow(
            by: MemoryLayout<Value>.stride)
        guard !overflow else { throw builder.inputs.fail("a product on the way is too large") }
        let target =
            isResult ? builder.outputSlot(0) : try builder.temporary(byteCount: byteCount)
        try DenseProduct<Value>(
            builder, shape, left: from,
            right: .loose(
                by, rowStride: isTransposed ? 1 : columnCount,
                columnStride: isTransposed ? depthCount : 1), target: target
        ).add(&builder)
        return Factor(
            source: isResult ? .output : .memory(target),
            operand: Einsum.Operand(rowMajor: result, dimensions))
    }

    /// The factor with its labels in this order, the others summed.
    private func arranged(
        _ factor: Factor, _ labels: [Label], _ builder: inout StepBuilder
    ) throws(EngineError) -> BufferSlot {
        let compact = Einsum.Operand(rowMajor: labels, dimensions)
        if factor.operand.labels == labels && factor.operand.strides == compact.strides {
            switch factor.source {
            case .input(let index): return try builder.numbers(ofInput: index, as: Value.self)
            case .memory(let slot): return slot
            case .output: return builder.outputSlot(0)
            }
        }
        let layout = dimensions.layout(labels, factor.operand)
        let (byteCount, overflow) = layout.count.multipliedReportingOverflow(
            by: MemoryLayout<Value>.stride)
        guard !overflow else { throw builder.inputs.fail("an operand is too large") }
        let target = try builder.temporary(byteCount: byteCount)
        try builder.addGather(
            Value.self, factor.source, layout, sums(factor.operand, keeping: labels),
            to: .memory(target))
        return target
    }
}

extension Einsum {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let labels = try node.valid { () throws(EngineError) in
            try equation.labels(node.inputs)
        }
        var found: (label: Label, rows: RowAxis)?
        for (index, own) in labels.inputs.enumerated() {
            guard let rows = node.rows(index) else { continue }
            let label = own[rows.axis]
            guard
                found == nil
                    || (found?.label == label && found?.rows.moved(to: 0) == rows.moved(to: 0))
            else { throw RowMixing("meets the rows of the batch along two axes") }
            guard own.count(where: { $0 == label }) == 1 else {
                throw RowMixing("takes a diagonal of the rows of the batch")
            }
            found = (label, rows)
        }
        guard let found else { return [nil] }
        guard let axis = labels.output.firstIndex(of: found.label) else {
            throw RowMixing("sums over the rows of the batch")
        }
        return [found.rows.moved(to: axis)]
    }
}
