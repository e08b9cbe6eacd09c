/// What is special about a value whose rows are no plain data.
enum RowFact: Sendable, Hashable {
    /// Numbers of rows: each element of row `r` is `r × scale` plus something in `offsets` that is the
    /// same for all rows.
    case numbers(scale: Int, offsets: ClosedRange<Int>)
    /// Along the last axis lie indices, of which the first is the row's number.
    case tuples
    /// The last axis is filled up with this text to the length of the longest row of the batch.
    case padded(with: [UInt8])

    /// Why rows meet where somebody takes such a value for data.
    var reason: String {
        switch self {
        case .numbers, .tuples: "computes with the positions of rows in the batch"
        case .padded: "reads rows that are filled up to the longest of the batch"
        }
    }
}

/// An operator that knows what to do with such values; for all others they count as mixing.
protocol RowFactOperator: Operator {
    /// What is special about output 0, nil if it is plain data.
    func fact(through node: RowNode) throws(RowMixing) -> RowFact?
}

extension RowNode {
    /// Elements of input 0 are moved, and keep what is special about them.
    func movedFact() throws(RowMixing) -> RowFact? {
        switch fact(0) {
        case nil: return nil
        case .numbers(let scale, let offsets): return .numbers(scale: scale, offsets: offsets)
        case .tuples: throw RowMixing("moves indices of rows")
        case .padded(let text):
            // Filling stays at the end where the last axis stays whole.
            guard try shape(0).last == outputShape.last else {
                throw RowMixing("moves rows that are filled up to the longest of the batch")
            }
            return .padded(with: text)
        }
    }

    /// Numbers of rows in input `index`; other inputs must be known and hold no rows.
    func numbers(_ index: Int) throws(RowMixing) -> (
        scale: Int, offsets: ClosedRange<Int>, others: [Int]
    )? {
        guard case .numbers(let scale, let offsets)? = fact(index) else { return nil }
        guard let others = fixedIntegers(1 - index), let least = others.min(),
            let most = others.max(), abs(Double(least)) < 1e12, abs(Double(most)) < 1e12,
            scale < 1 << 31, abs(Double(offsets.lowerBound)) < 1e12,
            abs(Double(offsets.upperBound)) < 1e12
        else { throw RowMixing("computes with the positions of rows in the batch") }
        return (scale, offsets, [least, most])
    }
}
