import ApusCore

/// Rows through sub-graphs.
extension RowAnalysis {
    /// Walks `body` on values that it carries from one iteration to the next, until their rows stay
    /// where they are.
    ///
    /// - Parameters:
    ///   - fixed: inputs in front of the carried ones that no iteration changes the form of.
    ///   - carried: at the start.
    ///   - slices: inputs behind them.
    ///   - first: position of the carried values among the body's outputs.
    /// - Returns: the body's outputs, the carried ones with the rows that they keep.
    func repeated(
        _ body: Program, fixed: [Value], carried: [Value], slices: [Value], first: Int,
        captured: [String: Value]
    ) throws -> [Value] {
        var state = carried.map(\.withoutContents)
        if let finding = carried.lazy.compactMap(\.finding).first { throw finding }
        guard !carried.contains(where: { $0.contentVaries || $0.fact != nil }) else {
            throw RowMixing("carries the number of rows of the batch")
        }
        for _ in 0...carried.count {
            let results = try walk(body, fixed + state + slices, captured: captured)
            guard results.count >= first + state.count else {
                throw RowMixing("has a body of another form")
            }
            if let finding = results.lazy.compactMap(\.finding).first { throw finding }
            let next = results[first..<first + state.count].map(\.withoutContents)
            guard zip(next, state).allSatisfy({ $0.tensors == $1.tensors }) else {
                throw RowMixing("carries a value whose shape changes")
            }
            if zip(next, state).allSatisfy({ $0.rows == $1.rows }) { return results }
            // A value without rows may become one with rows, never the other way round.
            guard zip(next, state).allSatisfy({ $1.rows == nil || $0.rows == $1.rows }) else {
                throw RowMixing("carries rows of the batch to another place")
            }
            state = next
        }
        throw RowMixing("carries rows of the batch to another place")
    }

    /// Decides what runs and must not depend on rows.
    func requireFixed(_ value: Value?, _ role: String) throws {
        guard let value else { return }
        if let finding = value.finding { throw finding }
        guard value.rows == nil else { throw RowMixing("takes its \(role) from rows of the batch") }
        guard value.isFixed else {
            throw RowMixing("takes its \(role) from the number of rows of the batch")
        }
    }
}

extension RowAnalysis.Value {
    /// The same of which nothing but the form is known.
    var withoutContents: RowAnalysis.Value {
        RowAnalysis.Value(tensors, rows: rows, fact: fact, finding: finding)
    }

    /// A scalar that is not known, but the same for all rows.
    static func unknownScalar(_ type: DataType, _ shape: Shape) -> RowAnalysis.Value {
        RowAnalysis.Value(
            RowAnalysis.rowCounts.map { _ in PlannedTensor(type, shape) }, rows: nil)
    }
}
