internal import ApusCore

/// How a nest of loops walks up to four operands at once: a length per loop, and each operand's
/// stride in elements. Neighbouring loops that all operands walk as one are merged.
struct StridedLayout: Sendable {
    /// Outermost first; never empty.
    let lengths: [Int]
    /// One per loop; lane `i` is operand `i`.
    let strides: [SIMD4<Int>]
    /// Product of the lengths.
    let count: Int

    /// Elements of the innermost loop.
    struct Run {
        /// Position of the first element among all `count`.
        var start: Int
        var count: Int
        /// Each operand's offset of the first element.
        var offsets: SIMD4<Int>
    }

    /// - Parameter merges: false keeps the loops apart, where the order of a sum must not depend on
    ///   the lengths.
    init(lengths: [Int], strides: [SIMD4<Int>], merges: Bool = true) {
        var newLengths: [Int] = []
        var newStrides: [SIMD4<Int>] = []
        for (length, stride) in zip(lengths, strides) {
            if merges && length == 1 { continue }
            if merges, let last = newLengths.last,
                newStrides[newStrides.count - 1] == stride &* SIMD4(repeating: length)
            {
                newLengths[newLengths.count - 1] = last * length
                newStrides[newStrides.count - 1] = stride
            } else {
                newLengths.append(length)
                newStrides.append(stride)
            }
        }
        if newLengths.isEmpty {
            newLengths = [1]
            newStrides = [SIMD4(repeating: 1)]
        }
        self.lengths = newLengths
        self.strides = newStrides
        count = newLengths.reduce(1, *)
    }

    /// The loops over an output's elements; operand `i` is input `i`, broadcast to the output.
    init(output: Shape, broadcasting inputs: [Shape]) {
        var strides = [SIMD4<Int>](repeating: .zero, count: output.count)
        for (operand, shape) in inputs.enumerated() {
            let own = shape.rowMajorStrides
            let offset = output.count - shape.count
            for (dimension, length) in shape.enumerated() where length != 1 {
                strides[dimension + offset][operand] = own[dimension]
            }
        }
        self.init(lengths: output, strides: strides)
    }

    var innerLength: Int { lengths[lengths.count - 1] }
    var innerStrides: SIMD4<Int> { strides[strides.count - 1] }

    /// Calls `body` with the runs that cover `range` of the `count` positions, in order.
    @inline(__always)
    func forEachRun(_ range: Range<Int>, _ body: (Run) -> Void) {
        guard !range.isEmpty else { return }
        if lengths.count == 1 {
            let offsets = strides[0] &* SIMD4(repeating: range.lowerBound)
            body(Run(start: range.lowerBound, count: range.count, offsets: offsets))
            return
        }
        withUnsafeTemporaryAllocation(of: Int.self, capacity: lengths.count) { index in
            let rank = lengths.count
            var offsets = start(at: range.lowerBound, index)
            var position = range.lowerBound
            while position < range.upperBound {
                let count = min(innerLength - index[rank - 1], range.upperBound - position)
                body(Run(start: position, count: count, offsets: offsets))
                position += count
                offsets &-= innerStrides &* SIMD4(repeating: index[rank - 1])
                index[rank - 1] = 0
                var loop = rank - 2
                while loop >= 0 {
                    index[loop] += 1
                    offsets &+= strides[loop]
                    if index[loop] < lengths[loop] { break }
                    offsets &-= strides[loop] &* SIMD4(repeating: lengths[loop])
                    index[loop] = 0
                    loop -= 1
                }
            }
        }
    }

    /// Operands' offsets at one position.
    func offsets(at position: Int) -> SIMD4<Int> {
        var rest = position
        var offsets = SIMD4<Int>.zero
        for loop in stride(from: lengths.count - 1, through: 0, by: -1) {
            offsets &+= strides[loop] &* SIMD4(repeating: rest % lengths[loop])
            rest /= lengths[loop]
        }
        return offsets
    }

    private func start(
        at position: Int, _ index: UnsafeMutableBufferPointer<Int>
    ) -> SIMD4<Int> {
        var rest = position
        var offsets = SIMD4<Int>.zero
        for loop in stride(from: lengths.count - 1, through: 0, by: -1) {
            index[loop] = rest % lengths[loop]
            offsets &+= strides[loop] &* SIMD4(repeating: index[loop])
            rest /= lengths[loop]
        }
        return offsets
    }
}
