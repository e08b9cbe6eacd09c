internal import ApusCore

/// The different elements of a tensor, or its different slices along an axis, each once.
///
/// Slices are ordered by their elements in row-major order. NaN equals NaN and comes last; of equal
/// elements (0 and -0) the first stays.
///
/// - Shapes: without `axis` `x` counts as flat and `Y` is `[U]`; with it, the axis gets length U.
///   Then, of the first occurrences `[U]`, of the place in `Y` of each element or slice `[N]`, and of
///   the occurrences `[U]`.
/// - Types: numbers, `bool` and strings; the last three are `int64`.
/// - Complexity: a sort of the N indices. - Source: ONNX Unique, opset 28.
struct Unique: ValueOperator {
    private let axis: Int?
    private let isSorted: Bool

    init(_ node: NodeReader) throws(EngineError) {
        axis = try node.int("axis")
        isSorted = try node.flag("sorted", default: true)
    }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let input = try NodeEvaluator.aligned(try context.tensor(inputs, 0))
        var slices = Slices(outer: 1, length: input.elementCount, inner: 1)
        var shape = [input.elementCount]
        var position = 0
        if let axis {
            shape = input.shape
            position = try context.normalized("axis", axis, length: shape.count)
            slices = Slices(
                outer: Array(shape[..<position]).elementCount, length: shape[position],
                inner: Array(shape[(position + 1)...]).elementCount)
        }
        // Without elements all slices are equal, however many parts they have.
        if input.elementCount == 0 { slices = Slices(outer: 0, length: slices.length, inner: 0) }
        try context.reserve(count: slices.length, byteCount: 128)
        try context.reserve(count: input.heldByteCount, byteCount: 2)
        let compare = try comparison(input, slices, context)
        var groups = try Self.groups(slices.length, compare, context)
        if !isSorted { groups.sort { $0.first < $1.first } }

        var inverse = [Int64](repeating: 0, count: slices.length)
        for (number, group) in groups.enumerated() {
            for member in group.members { inverse[member] = Int64(number) }
        }
        shape[position] = groups.count
        let firsts = groups.map { Int64($0.first) }
        let counts = groups.map { Int64($0.members.count) }
        let (target, parts, chosen) = (shape, slices, groups.map(\.first))
        return [
            .tensor(try context.naming { try input.taking(chosen, of: parts, target) }),
            try context.make(.int64, [groups.count], firsts),
            try context.make(.int64, [slices.length], inverse),
            try context.make(.int64, [groups.count], counts),
        ]
    }

    private func comparison(
        _ input: Tensor, _ slices: Slices, _ context: EvaluationContext
    ) throws(EngineError) -> SliceOrder {
        if let texts = input.strings {
            let compareTexts = { (p: Int, q: Int) -> Int in
                if texts[p] == texts[q] { return 0 }
                return texts[p].lexicographicallyPrecedes(texts[q]) ? -1 : 1
            }
            return { a, b in slices.compare(a, b, elements: compareTexts) }
        }
        let visitor = SliceComparison(tensor: input, slices: slices)
        guard let compare = try input.dataType.visitNumber(visitor, takesBool: true) else {
            throw context.fail("elements of type \(input.dataType) are not supported")
        }
        return compare
    }

    /// Equal slices, in ascending order of the slices and of their indices.
    private static func groups(
        _ length: Int, _ compare: SliceOrder, _ context: EvaluationContext
    ) throws(EngineError) -> [(first: Int, members: ArraySlice<Int>)] {
        var order = Array(0..<length)
        try context.sort(&order) { a, b in
            let result = compare(a, b)
            return result == 0 ? a < b : result < 0
        }
        var groups: [(first: Int, members: ArraySlice<Int>)] = []
        var start = 0
        while start < length {
            var end = start + 1
            while end < length, compare(order[start], order[end]) == 0 { end += 1 }
            groups.append((order[start], order[start..<end]))
            start = end
        }
        return groups
    }
}

/// The order of two slices: negative, zero or positive.
private typealias SliceOrder = (Int, Int) -> Int

/// A tensor as `[outer, length, inner]`; slice `i` are its elements `[:, i, :]`.
private struct Slices {
    let outer: Int
    let length: Int
    let inner: Int

    /// - Parameter elements: the order of two elements, by their places.
    @inline(__always)
    func compare(_ a: Int, _ b: Int, elements: (Int, Int) -> Int) -> Int {
        for block in 0..<outer {
            let p = (block * length + a) * inner
            let q = (block * length + b) * inner
            for index in 0..<inner {
                let result = elements(p + index, q + index)
                if result != 0 { return result }
            }
        }
        return 0
    }
}

private struct SliceComparison: NumberVisitor {
    let tensor: Tensor
    let slices: Slices

    func visit<Element: Number>(_ type: Element.Type) -> SliceOrder {
        let (tensor, slices) = (tensor, slices)
        return { a, b in
            guard let bytes = tensor.bytes else { return 0 }
            let x = bytes.pointer.assumingMemoryBound(to: Element.self)
            return slices.compare(a, b) { p, q in
                let (first, second) = (x[p].value, x[q].value)
                if first == second { return 0 }
                if first.isNotANumber || second.isNotANumber {
                    return (first.isNotANumber ? 1 : 0) - (second.isNotANumber ? 1 : 0)
                }
                return first < second ? -1 : 1
            }
        }
    }
}

extension Tensor {
    /// Some slices, in the given order; `target` is the result's shape.
    fileprivate func taking(_ indices: [Int], of slices: Slices, _ target: Shape) throws -> Tensor {
        var collector: [[UInt8]] = []
        var taken: [UInt8] = []
        for block in 0..<slices.outer {
            for index in indices {
                let start = (block * slices.length + index) * slices.inner
                let range = start..<start + slices.inner
                if let strings {
                    collector += strings[range]
                } else if let bytes, let width = dataType.byteCount {
                    bytes.withUnsafeBytes {
                        taken += $0[range.lowerBound * width..<range.upperBound * width]
                    }
                }
            }
        }
        return dataType == .string
            ? try Tensor(shape: target, strings: collector) : try Tensor(dataType, target, taken)
    }
}
