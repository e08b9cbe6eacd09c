internal import ApusCore

/// Copies a tensor of which every output position along a dimension names its source position, or
/// none (then the element is filled): the work of Pad, CenterCropPad and their like.
struct IndexedCopy: WidthVisitor {
    /// For each dimension and output position: the source position, or -1.
    let maps: [[Int]]
    let sourceStrides: [Int]
    /// Position of the input that holds the filling element; nil fills with zero bytes.
    let fillInput: Int?

    /// Output rows, the items of work.
    var rowCount: Int { maps.dropLast().reduce(1) { $0 * $1.count } }
    var rowLength: Int { maps.last?.count ?? 1 }

    func visit<Element: BitwiseCopyable & Sendable>(_ type: Element.Type) -> StepBody {
        let (maps, strides, fillInput, rowLength) = (maps, sourceStrides, fillInput, rowLength)
        let run = maps.last.flatMap { Self.contiguousRun($0) }
        return { frame, range in
            let source = frame.input(0, as: Element.self)
            let target = frame.output(0, as: Element.self)
            var zero = (UInt64(0), UInt64(0))
            let filling =
                fillInput.map { frame.input($0, as: Element.self).pointee }
                ?? withUnsafeBytes(of: &zero) { $0.load(as: Element.self) }
            for row in range {
                let to = target + row * rowLength
                guard let start = Self.rowStart(row, maps, strides) else {
                    to.update(repeating: filling, count: rowLength)
                    continue
                }
                let from = source + start
                guard let map = maps.last else {
                    to.pointee = from.pointee
                    continue
                }
                if let run {
                    to.update(repeating: filling, count: run.lowerBound)
                    (to + run.lowerBound).update(
                        from: from + map[run.lowerBound], count: run.count)
                    (to + run.upperBound).update(
                        repeating: filling, count: rowLength - run.upperBound)
                } else {
                    for (column, index) in map.enumerated() {
                        to[column] = index < 0 ? filling : from[index]
                    }
                }
            }
        }
    }

    /// The one range of ascending neighbours in a map that is -1 elsewhere; nil if it is no such map.
    private static func contiguousRun(_ map: [Int]) -> Range<Int>? {
        guard let first = map.firstIndex(where: { $0 >= 0 }),
            let last = map.lastIndex(where: { $0 >= 0 })
        else { return nil }
        for index in first...last where map[index] != map[first] + index - first { return nil }
        return first..<(last + 1)
    }

    private static func rowStart(_ row: Int, _ maps: [[Int]], _ strides: [Int]) -> Int? {
        var rest = row
        var start = 0
        for dimension in stride(from: maps.count - 2, through: 0, by: -1) {
            let index = maps[dimension][rest % maps[dimension].count]
            if index < 0 { return nil }
            start += index * strides[dimension]
            rest /= maps[dimension].count
        }
        return start
    }
}

extension StepBuilder {
    /// Whether there is an element to copy.
    ///
    /// - Throws: if maps for the dimensions of output 0 would take too much memory.
    func hasElementsToMap() throws(EngineError) -> Bool {
        let shape = outputs[0].shape
        guard shape.elementCount > 0 else { return false }
        guard shape.allSatisfy({ $0 <= 1 << 28 }) else {
            throw inputs.fail("a result of shape \(shape) is too large")
        }
        return true
    }

    /// Adds an indexed copy of input 0 into output 0.
    mutating func addIndexedCopy(_ copy: IndexedCopy) throws(EngineError) {
        let output = outputs[0]
        guard output.shape.elementCount > 0 else { return }
        guard let body = try output.dataType.visitWidth(copy) else {
            throw inputs.fail("elements of type \(output.dataType) cannot be copied")
        }
        addParallelStep(
            count: copy.rowCount, grain: max(1, 1024 / max(copy.rowLength, 1)),
            operationCount: output.shape.elementCount, body)
    }
}
