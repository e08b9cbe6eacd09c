public import ApusCore

/// A node as the analysis of rows sees it, for one number of rows: shapes, known contents, and where the
/// rows lie in the inputs.
///
/// An operator answers with the place of the rows in each output (`Operator.rows(through:)`), nil for an
/// output that is the same whatever the batch is.
public struct RowNode: Sendable {
    /// Types, shapes and known contents.
    public let inputs: PlanInputs
    /// Nil for an input that holds no rows, or is left out.
    public let inputRows: [RowAxis?]
    /// What is special about the inputs; an operator that does not say so (`RowFactOperator`) gets none.
    let facts: [RowFact?]
    public let outputs: [PlannedTensor]
    public let rowCount: Int
    /// For each output: the one axis whose length grows with the batch, if there is one.
    let growingAxes: [RowAxis?]

    /// Where the rows lie in an input.
    public func rows(_ index: Int) -> RowAxis? {
        index < inputRows.count ? inputRows[index] : nil
    }

    func fact(_ index: Int) -> RowFact? { index < facts.count ? facts[index] : nil }

    /// The elements of an input that holds no rows, if they are known integers.
    func fixedIntegers(_ index: Int) -> [Int]? {
        rows(index) == nil ? inputs.constant(index)?.integers : nil
    }

    public func shape(_ index: Int) throws(RowMixing) -> Shape {
        do { return try inputs.shape(index) } catch {
            throw RowMixing("is not valid: \(error.message)")
        }
    }

    public var outputShape: Shape { outputs.first?.shape ?? [] }

    /// Axes as the node counts them, from the end if negative.
    public func normalized(axis: Int, rank: Int) throws(RowMixing) -> Int {
        do { return try inputs.normalized(axis: axis, rank: rank) } catch {
            throw RowMixing("is not valid: \(error.message)")
        }
    }

    /// What `body` throws is the node's fault.
    func valid<Found>(_ body: () throws(EngineError) -> Found) throws(RowMixing) -> Found {
        do throws(EngineError) { return try body() } catch {
            throw RowMixing("is not valid: \(error.message)")
        }
    }

    /// Only input 0 may hold rows.
    func requireNoRows() throws(RowMixing) {
        try requireNoRows(inInputs: Array(inputRows.indices.dropFirst()))
    }

    func requireNoRows(inInputs positions: [Int]) throws(RowMixing) {
        for index in positions where rows(index) != nil {
            throw RowMixing("reads the rows of the batch as input \(index)")
        }
    }

    // MARK: Kinds of operators

    /// Each output element comes from the elements at its place, with broadcasting.
    ///
    /// - Parameter shapes: of all inputs, where they are laid against each other in another way than
    ///   from the last axis on.
    public func broadcast(shapes: [Shape]? = nil) throws(RowMixing) -> RowAxis? {
        var operands: [Operand] = []
        for index in inputRows.indices where inputs.has(index) {
            // The node may name more inputs than the operator has.
            let given = shapes.flatMap { index < $0.count ? $0[index] : nil }
            let shape = if let given { given } else { try shape(index) }
            operands.append(Operand(shape: shape, rows: rows(index)))
        }
        return try Self.broadcast(operands, output: outputShape)
    }

    /// The output has the shape of input 0, and each of its elements comes from those of input 0 that
    /// differ from its place along `axes` only; other inputs hold no rows.
    public func lines(along axes: [Int], doing what: String) throws(RowMixing) -> RowAxis? {
        try requireNoRows()
        guard let rows = rows(0) else { return nil }
        guard !axes.contains(rows.axis) else { throw RowMixing("\(what) the rows of the batch") }
        return rows
    }

    /// Some axes of input 0 are reduced; the output may have dropped them.
    public func reduced(along axes: [Int], keepsDimensions: Bool) throws(RowMixing) -> RowAxis? {
        guard let rows = try lines(along: axes, doing: "reduces") else { return nil }
        if keepsDimensions { return rows }
        return rows.moved(to: rows.axis - axes.count { $0 < rows.axis })
    }

    /// Axis 0 is the batch's, as in images, and every item of it is computed alone. Other inputs but
    /// `alsoBatched` hold no rows.
    public func items(alsoBatched: Set<Int> = []) throws(RowMixing) -> RowAxis? {
        var found: RowAxis?
        for index in inputRows.indices {
            guard let rows = inputRows[index] else { continue }
            guard index == 0 || alsoBatched.contains(index) else {
                throw RowMixing("reads the rows of the batch as input \(index)")
            }
            guard rows.axis == 0 else {
                throw RowMixing("has the rows of the batch in axis \(rows.axis), not 0")
            }
            guard found == nil || found == rows else {
                throw RowMixing("has different rows in axis 0 of its inputs")
            }
            found = rows
        }
        guard found != nil else { return nil }
        for index in alsoBatched where inputs.has(index) && rows(index) == nil {
            let shape = try shape(index)
            guard shape.first ?? 1 == 1 else {
                throw RowMixing("has one element for each row in input \(index)")
            }
        }
        if let found, rows(0) == nil {
            throw RowMixing("has rows in another input than its first, at \(found.axis)")
        }
        return found
    }

    /// The elements of input 0 in their order, under the output's shape.
    public func reshaped() throws(RowMixing) -> RowAxis? {
        try requireNoRows()
        guard let rows = rows(0) else { return nil }
        return try Self.reshaped(
            rows, from: try shape(0), to: outputShape, rowCount: rowCount)
    }

    /// Where rows lie after a change of shape.
    static func reshaped(
        _ rows: RowAxis, from source: Shape, to target: Shape, rowCount: Int
    ) throws(RowMixing) -> RowAxis {
        let before = source[..<rows.axis].reduce(rows.before, &*)
        let after = source[(rows.axis + 1)...].reduce(rows.after, &*)
        var front = 1
        for (axis, length) in target.enumerated() {
            let back = target[(axis + 1)...].reduce(1, &*)
            // The rows belong to the axis in whose range of strides theirs lies.
            if front > 0, back > 0, before % front == 0, after % back == 0 {
                let found = RowAxis(axis, before: before / front, after: after / back)
                if found.length(rowCount: rowCount) == length { return found }
            }
            front &*= length
        }
        throw RowMixing("cuts the rows of the batch with other dimensions")
    }

    /// Inputs along one axis, which no rows may lie in.
    func concatenated(along axis: Int) throws(RowMixing) -> RowAxis? {
        guard let first = inputRows.compactMap({ $0 }).first else { return nil }
        guard inputRows.allSatisfy({ $0 == first }) else {
            throw RowMixing("joins rows of the batch with what holds none")
        }
        guard first.axis == axis else { return first }
        // Equal parts one behind the other: more blocks of rows.
        let (before, overflow) = first.before.multipliedReportingOverflow(by: inputRows.count)
        guard !overflow else { throw RowMixing("joins too many inputs") }
        return RowAxis(axis, before: before, after: first.after)
    }

    /// Inputs that are read at the same place but along `axis`.
    func aligned(
        _ positions: [Int], apartFrom axis: Int, doing what: String
    ) throws(RowMixing) -> RowAxis? {
        guard let first = inputRows.compactMap({ $0 }).first else { return nil }
        guard first.axis != axis else { throw RowMixing("\(what) the rows of the batch") }
        for index in positions where rows(index) != first {
            throw RowMixing("has other rows in input \(index)")
        }
        return first
    }

    /// The features that most operators of ai.onnx.ml take: `[N, C]`; `[C]` would be one row.
    func featureRows() throws(RowMixing) -> RowAxis? {
        try requireNoRows()
        guard let rows = rows(0) else { return nil }
        guard rows.axis == 0, try shape(0).count == 2 else {
            throw RowMixing("takes the rows of the batch as features of one")
        }
        return rows
    }

    /// The output is the same along the axis that grows with the batch, if one does.
    func uniform() -> RowAxis? { growingAxes.first ?? nil }
}
