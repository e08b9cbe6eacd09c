import ApusCore

extension RowNode {
    /// A shape with the place of the rows in it.
    struct Operand {
        var shape: Shape
        var rows: RowAxis?

        /// The last two axes change places.
        mutating func swapMatrixAxes() {
            let count = shape.count
            guard count >= 2 else { return }
            shape.swapAt(count - 2, count - 1)
            if let found = rows, found.axis >= count - 2 {
                rows = found.moved(to: 2 * count - 3 - found.axis)
            }
        }
    }

    /// Each element of `output` comes from the elements at its place, laid from the last axis on.
    static func broadcast(
        _ operands: [Operand], output: Shape
    ) throws(RowMixing) -> RowAxis? {
        var found: RowAxis?
        for operand in operands {
            guard let rows = operand.rows else { continue }
            let own = rows.moved(to: rows.axis + output.count - operand.shape.count)
            guard found == nil || found == own else {
                throw RowMixing("meets the rows of the batch along two axes")
            }
            found = own
        }
        guard let found else { return nil }
        for operand in operands where operand.rows == nil {
            let axis = found.axis - (output.count - operand.shape.count)
            guard axis < 0 || operand.shape[axis] == 1 else {
                throw RowMixing("takes an element for each row from what holds no rows")
            }
        }
        return found
    }

    /// A product of stacks of matrices, `[…, M, K] × […, K, N]`, where a vector stands for a row or a
    /// column.
    ///
    /// - Source: NumPy, `matmul`.
    static func product(
        _ left: Operand, _ right: Operand, output: Shape
    ) throws(RowMixing) -> RowAxis? {
        let isRow = left.shape.count == 1
        let isColumn = right.shape.count == 1
        if let rows = left.rows, rows.axis == left.shape.count - 1 {
            throw RowMixing("sums over the rows of the batch")
        }
        if let rows = right.rows, isColumn || rows.axis == right.shape.count - 2 {
            throw RowMixing("sums over the rows of the batch")
        }
        // The stacks as they broadcast; the output has M and N behind them.
        let stackRank = output.count - (isRow ? 0 : 1) - (isColumn ? 0 : 1)
        let leftStack = Operand(
            shape: Shape(left.shape.dropLast(2)),
            rows: left.rows.flatMap { $0.axis < left.shape.count - 2 ? $0 : nil })
        let rightStack = Operand(
            shape: Shape(right.shape.dropLast(2)),
            rows: right.rows.flatMap { $0.axis < right.shape.count - 2 ? $0 : nil })
        let stack = try broadcast([leftStack, rightStack], output: Shape(output.prefix(stackRank)))
        var places: [RowAxis] = []
        if let stack { places.append(stack) }
        if let rows = left.rows, leftStack.rows == nil { places.append(rows.moved(to: stackRank)) }
        if let rows = right.rows, rightStack.rows == nil {
            places.append(rows.moved(to: output.count - 1))
        }
        guard places.count <= 1 else {
            throw RowMixing("multiplies rows of the batch with one another")
        }
        return places.first
    }

    /// The product of two inputs; all others hold no rows.
    func product(of left: Int, and right: Int) throws(RowMixing) -> RowAxis? {
        try requireNoRows(inInputs: inputRows.indices.filter { $0 != left && $0 != right })
        return try Self.product(
            Operand(shape: try shape(left), rows: rows(left)),
            Operand(shape: try shape(right), rows: rows(right)), output: outputShape)
    }
}
