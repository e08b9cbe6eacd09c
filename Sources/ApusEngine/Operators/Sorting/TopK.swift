internal import ApusCore

/// The `k` largest or smallest elements along an axis, sorted, and their indices. Of equal elements
/// the one with the lower index comes first; NaN counts as larger than all numbers.
///
/// - Shapes: the axis gets length `k`. - Types: all floats and integers; indices are `int64`.
/// - Complexity: a heap of `k` elements per line. - Source: ONNX TopK, opset 24.
struct TopK: StepOperator {
    private let axis: Int
    private let isLargest: Bool
    private let fixedCount: Int?

    init(_ node: NodeReader) throws(EngineError) {
        axis = try node.int("axis", default: -1)
        isLargest = try node.flag("largest", default: true)
        fixedCount = node.opsetVersion < 10 ? try node.int("k") : nil
    }

    var contentInputs: [Int] { [1] }

    var mayLeaveOutFirstOutput: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        let axis = try inputs.normalized(axis: axis, rank: source.shape.count)
        let given = try inputs.integers(1)?.first
        guard let count = fixedCount ?? given, count >= 0, count <= source.shape[axis] else {
            throw inputs.fail("k is missing or not in 0...\(source.shape[axis])")
        }
        var shape = source.shape
        shape[axis] = count
        return [PlannedTensor(source.dataType, shape), PlannedTensor(.int64, shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.tensor(0)
        let axis = try builder.inputs.normalized(axis: axis, rank: source.shape.count)
        let count = builder.outputs[0].shape[axis]
        guard builder.outputs[0].shape.elementCount > 0 else { return }
        let visitor = TopKBody(
            length: source.shape[axis], count: count,
            stride: Array(source.shape[(axis + 1)...]).elementCount, isLargest: isLargest,
            wantsValues: builder.wants(output: 0), wantsIndices: builder.wants(output: 1))
        guard let body = try source.dataType.visitNumber(visitor) else {
            throw builder.inputs.fail("elements of type \(source.dataType) are not supported")
        }
        builder.addParallelStep(
            count: builder.outputs[0].shape.elementCount / count,
            scratchByteCount: count * 8, operationCount: source.shape.elementCount * 4, body)
    }
}

private struct TopKBody: NumberVisitor {
    let length: Int
    let count: Int
    let stride: Int
    let isLargest: Bool
    let wantsValues: Bool
    let wantsIndices: Bool

    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        let (length, count, stride, isLargest) = (length, count, stride, isLargest)
        let (wantsValues, wantsIndices) = (wantsValues, wantsIndices)
        return { frame, range in
            let x = frame.input(0, as: Element.self)
            let heap = frame.scratch(as: Int.self)
            for line in range {
                let start = x + (line / stride * stride * length + line % stride)
                let isBefore = { (a: Int, b: Int) -> Bool in
                    let p = start[a * stride].value
                    let q = start[b * stride].value
                    if p.isNotANumber || q.isNotANumber {
                        if p.isNotANumber && q.isNotANumber { return a < b }
                        return p.isNotANumber == isLargest
                    }
                    return p == q ? a < b : (p > q) == isLargest
                }
                Self.select(frame, heap, count, length, isBefore)
                let target = line / stride * stride * count + line % stride
                for i in 0..<count {
                    if wantsValues {
                        frame.output(0, as: Element.self)[target + i * stride] =
                            start[heap[i] * stride]
                    }
                    if wantsIndices {
                        frame.output(1, as: Int64.self)[target + i * stride] = Int64(heap[i])
                    }
                }
            }
        }
    }

    /// Leaves the first `count` of `0..<length` in `heap`, in order. The order is total.
    @inline(__always)
    private static func select(
        _ frame: StepFrame, _ heap: UnsafeMutablePointer<Int>, _ count: Int, _ length: Int,
        _ isBefore: (Int, Int) -> Bool
    ) {
        // What is left unsorted of a cancelled run is not used.
        let pieceLength = StepPiece.operationCount / 16
        // The root is the last of those kept.
        for i in 0..<count { heap[i] = i }
        for root in Swift.stride(from: count / 2 - 1, through: 0, by: -1) {
            sift(heap, root, count, isBefore)
        }
        frame.forEachPiece(of: count..<max(length, count), length: pieceLength) { piece in
            for i in piece where isBefore(i, heap[0]) {
                heap[0] = i
                sift(heap, 0, count, isBefore)
            }
        }
        frame.forEachPiece(of: 0..<max(count - 1, 0), length: pieceLength) { piece in
            for end in piece.lazy.map({ count - 1 - $0 }) {
                (heap[0], heap[end]) = (heap[end], heap[0])
                sift(heap, 0, end, isBefore)
            }
        }
    }

    @inline(__always)
    private static func sift(
        _ heap: UnsafeMutablePointer<Int>, _ start: Int, _ count: Int,
        _ isBefore: (Int, Int) -> Bool
    ) {
        var root = start
        while 2 * root + 1 < count {
            var child = 2 * root + 1
            if child + 1 < count && isBefore(heap[child], heap[child + 1]) { child += 1 }
            if !isBefore(heap[root], heap[child]) { return }
            (heap[root], heap[child]) = (heap[child], heap[root])
            root = child
        }
    }
}

extension TopK {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let axis = try node.normalized(axis: axis, rank: try node.shape(0).count)
        let rows = try node.lines(along: [axis], doing: "sorts")
        return node.outputs.map { _ in rows }
    }
}
