internal import ApusCore

/// The sizes of a product of two stacks of matrices: `[…, M, K] · […, K, N]`, the leading dimensions
/// broadcast together.
struct ProductShape: Sendable {
    /// M.
    private(set) var rows: Int
    /// N.
    let columns: Int
    /// K.
    let depth: Int
    /// The result's shape, without the dimensions that vectors get while they are multiplied.
    let output: Shape
    /// The matrices of the result; operand 0 is the number of A's matrix, 1 that of B's.
    private(set) var batch: StridedLayout
    let leftCount: Int
    let rightCount: Int

    /// - Throws: unless `a` and `b` can be multiplied as in numpy.matmul.
    init(matMul a: Shape, _ b: Shape, _ inputs: PlanInputs) throws(EngineError) {
        guard !a.isEmpty, !b.isEmpty else {
            throw inputs.fail("shapes \(a) and \(b): a scalar cannot be multiplied as a matrix")
        }
        let left = a.count == 1 ? [1, a[0]] : a
        let right = b.count == 1 ? [b[0], 1] : b
        (rows, depth) = (left[left.count - 2], left[left.count - 1])
        columns = right[right.count - 1]
        guard right[right.count - 2] == depth else {
            throw inputs.fail("shapes \(a) and \(b) do not fit: \(depth) columns, other rows")
        }
        let (leftBatch, rightBatch) = (Shape(left.dropLast(2)), Shape(right.dropLast(2)))
        let stack = try inputs.broadcast(leftBatch, rightBatch)
        output = stack + (a.count == 1 ? [] : [rows]) + (b.count == 1 ? [] : [columns])
        guard let count = stack.checkedElementCount, output.checkedElementCount != nil,
            let leftCount = leftBatch.checkedElementCount,
            let rightCount = rightBatch.checkedElementCount
        else {
            throw inputs.fail("the product of shapes \(a) and \(b) is too large")
        }
        (self.leftCount, self.rightCount) = (leftCount, rightCount)
        batch = StridedLayout(output: stack, broadcasting: [leftBatch, rightBatch])
        if rightCount == 1 && leftCount == count {
            // All of A is one matrix: its rows lie one after the other.
            rows *= count
            batch = StridedLayout(output: [], broadcasting: [])
        }
    }

    /// One product of `[rows, depth]` and `[depth, columns]`.
    init(rows: Int, columns: Int, depth: Int) {
        (self.rows, self.columns, self.depth) = (rows, columns, depth)
        output = [rows, columns]
        batch = StridedLayout(output: [], broadcasting: [])
        (leftCount, rightCount) = (1, 1)
    }

    /// `stack` products of `[rows, depth]` and `[depth, columns]`, of the same number of matrices.
    init(stack: Int, rows: Int, columns: Int, depth: Int) {
        (self.rows, self.columns, self.depth) = (rows, columns, depth)
        output = [stack, rows, columns]
        batch = StridedLayout(lengths: [stack], strides: [SIMD4(1, 1, 0, 0)])
        (leftCount, rightCount) = (stack, stack)
    }

    /// Rough number of multiplications.
    var operationCount: Int {
        let (product, overflow) = (batch.count * rows * columns).multipliedReportingOverflow(
            by: max(depth, 1))
        return overflow ? Int.max / 4 : product
    }
}
