import ApusCore

/// One node in the analysis of rows: its outputs' shapes and known contents for every number of rows,
/// and the place of the rows in them.
struct RowStep {
    typealias Value = RowAnalysis.Value
    /// Contents of more elements are no shapes.
    private static let contentCountMax = 1024

    let analysis: RowAnalysis
    let bound: BoundNode
    let inputs: [Value?]

    func values() throws -> [Value] {
        let seen = RowAnalysis.rowCounts.indices.map { planInputs(at: $0) }
        if let contents = try knownContents(seen) { return contents }
        let outputs = try seen.map { try self.outputs(for: $0) }
        guard outputs.allSatisfy({ $0.count == outputs[0].count }) else {
            throw RowMixing("has more outputs the more rows the batch has")
        }
        if let folded = folded(outputs) { return folded }
        var finding = inputs.lazy.compactMap { $0?.finding }.first
        if finding == nil {
            do throws(RowMixing) {
                try checkLengths()
                return try placed(outputs, seen)
            } catch {
                finding = RowAnalysis.Finding(node: bound.node.label, reason: error.reason)
            }
        }
        // The shapes are known all the same; somebody may ask for nothing else.
        return outputs[0].indices.map { output in
            Value(outputs.map { $0[output] }, rows: nil, finding: finding)
        }
    }

    private func planInputs(at point: Int) -> PlanInputs {
        PlanInputs(
            node: bound.node.label,
            inputs: inputs.map { value in
                value.map {
                    PlanInputs.Input(
                        tensor: $0.tensors[point], known: $0.contents?[point])
                }
            }, outputCount: bound.node.outputs.count)
    }

    /// Contents that follow from shapes alone.
    private func knownContents(_ seen: [PlanInputs]) throws -> [Value]? {
        guard let op = bound.op as? any StepOperator else { return nil }
        var all: [[Tensor]] = []
        for inputs in seen {
            guard let contents = try op.contents(for: inputs) else { return nil }
            all.append(contents)
        }
        return all[0].indices.map { output in Value(contents: all.map { $0[output] }) }
    }

    private func outputs(for inputs: PlanInputs) throws -> [PlannedTensor] {
        let outputs = try declaredOutputs(for: inputs)
        // Operators that come after count on it, as they do in plans.
        guard outputs.allSatisfy({ $0.shape.checkedElementCount != nil }) else {
            throw EngineError.limitExceeded("no memory holds an output of it")
        }
        return outputs
    }

    private func declaredOutputs(for inputs: PlanInputs) throws -> [PlannedTensor] {
        if let op = bound.op as? any ShapedValueOperator { return try op.outputs(for: inputs) }
        guard let op = bound.op as? any StepOperator else {
            throw RowMixing("has outputs whose shapes depend on data")
        }
        for position in op.contentInputs
        where position < inputs.count && inputs.has(position) && inputs.constant(position) == nil {
            throw RowMixing("takes its input \(position) from data")
        }
        return try op.outputs(for: inputs)
    }

    // MARK: Contents

    /// The node's outputs where all inputs are known: lengths on their way from one shape to another.
    private func folded(_ outputs: [[PlannedTensor]]) -> [Value]? {
        guard bound.op is any StepOperator, bound.captures.isEmpty,
            inputs.allSatisfy({ $0 == nil || ($0?.contents != nil && $0?.rows == nil) }),
            outputs.allSatisfy({ $0.allSatisfy { Self.isSmall($0.shape) } })
        else { return nil }
        let isSame = inputs.allSatisfy { $0?.contentVaries != true }
        var all: [[Tensor]] = []
        for point in RowAnalysis.rowCounts.indices {
            if isSame, let first = all.first {
                all.append(first)
                continue
            }
            let values = inputs.map { value in
                value?.contents.map { ApusEngine.Value.tensor($0[point]) }
            }
            guard let made = try? analysis.session.services.evaluate(bound, values) else {
                return nil
            }
            let tensors = made.compactMap(\.tensor)
            guard tensors.count == made.count else { return nil }
            all.append(tensors)
        }
        return all[0].indices.map { output in Value(contents: all.map { $0[output] }) }
    }

    private static func isSmall(_ shape: Shape) -> Bool {
        guard let count = shape.checkedElementCount else { return false }
        return count <= contentCountMax
    }

    /// A content that varies with the batch may only say how long something is.
    private func checkLengths() throws(RowMixing) {
        let lengths = (bound.op as? any StepOperator)?.contentInputs ?? []
        for (index, value) in inputs.enumerated() where value?.contentVaries == true {
            guard lengths.contains(index) else {
                throw RowMixing("computes with the number of rows of the batch")
            }
        }
    }

    // MARK: Rows

    private func placed(
        _ outputs: [[PlannedTensor]], _ seen: [PlanInputs]
    ) throws(RowMixing) -> [Value] {
        let tensors = outputs[0].indices.map { output in outputs.map { $0[output] } }
        var growing: [RowAxis?] = []
        for tensor in tensors { growing.append(try growingAxis(tensor)) }
        let facts = inputs.map { $0?.fact }
        let op = bound.op as? any RowFactOperator
        if op == nil, let fact = facts.lazy.compactMap({ $0 }).first {
            throw RowMixing(fact.reason)
        }
        var found: (places: [RowAxis?], fact: RowFact?)?
        for point in RowAnalysis.proofs {
            let node = RowNode(
                inputs: seen[point], inputRows: inputs.map { $0?.rows }, facts: facts,
                outputs: outputs[point], rowCount: RowAnalysis.rowCounts[point],
                growingAxes: growing)
            let places = try bound.op.rows(through: node)
            let fact = try op?.fact(through: node)
            if let found, found.places != places || found.fact != fact {
                throw RowMixing("places rows by their number")
            }
            found = (places, fact)
        }
        let places = found?.places ?? []
        var values: [Value] = []
        for output in tensors.indices {
            let rows = output < places.count ? places[output] : nil
            try check(tensors[output], rows)
            values.append(
                Value(tensors[output], rows: rows, fact: output == 0 ? found?.fact : nil))
        }
        return values
    }

    /// The axis whose length is a multiple of the number of rows, all others being fixed; nil if none
    /// varies.
    private func growingAxis(_ tensors: [PlannedTensor]) throws(RowMixing) -> RowAxis? {
        let shapes = tensors.map(\.shape)
        let first = shapes[0]
        guard shapes.allSatisfy({ $0.count == first.count }) else {
            throw RowMixing("has an output whose rank depends on the number of rows")
        }
        var found: RowAxis?
        for axis in first.indices where shapes.contains(where: { $0[axis] != first[axis] }) {
            // With one row, the first length is the multiple.
            let rows = RowAxis(axis, after: first[axis])
            let isMultiple = zip(shapes, RowAnalysis.rowCounts).allSatisfy {
                rows.length(rowCount: $1) == $0[axis]
            }
            guard found == nil, isMultiple else {
                throw RowMixing("has an output of a shape that does not follow the rows")
            }
            found = rows
        }
        return found
    }

    /// The shapes must be what the place of the rows says, for every number of rows.
    private func check(_ tensors: [PlannedTensor], _ rows: RowAxis?) throws(RowMixing) {
        let growing = try growingAxis(tensors)
        guard let rows else {
            guard growing == nil else {
                throw RowMixing("has an output that grows with the batch but holds no rows")
            }
            return
        }
        for (tensor, count) in zip(tensors, RowAnalysis.rowCounts) {
            // An input that the operator does not know may have put them anywhere.
            guard tensor.shape.indices.contains(rows.axis),
                rows.length(rowCount: count) == tensor.shape[rows.axis]
            else { throw RowMixing("has an output of a shape that does not follow the rows") }
        }
    }
}
