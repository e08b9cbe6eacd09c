internal import ApusCore

/// The attributes and shapes that RNN, GRU and LSTM share.
struct RecurrentNode: Sendable {
    enum Direction: String, Sendable { case forward, reverse, bidirectional }

    let direction: Direction
    let activations: [RecurrentActivation]
    let clip: Float?
    /// Inputs and outputs have the batch as their first dimension.
    let isBatchFirst: Bool
    private let hiddenSize: Int?

    init(
        _ node: NodeReader, activations defaults: [RecurrentActivation.Function]
    ) throws(EngineError) {
        let name = try node.string("direction", default: "forward")
        guard let direction = Direction(rawValue: name.lowercased()) else {
            throw node.fail("direction \"\(name)\" is not forward, reverse or bidirectional")
        }
        self.direction = direction
        activations = try RecurrentActivation.list(
            node, defaults: defaults, directionCount: direction == .bidirectional ? 2 : 1)
        clip = try node.float("clip")
        if let clip, !(clip >= 0) { throw node.fail("clip is \(clip), expected at least 0") }
        let layout = try node.int("layout", default: 0)
        guard layout == 0 || layout == 1 else { throw node.fail("layout is \(layout), not 0 or 1") }
        isBatchFirst = layout == 1
        hiddenSize = try node.int("hidden_size")
    }

    var directionCount: Int { direction == .bidirectional ? 2 : 1 }

    /// Whether direction `index` runs from the end of a sequence to its start.
    func isReverse(_ index: Int) -> Bool { direction == .reverse || index == 1 }

    /// Sizes of the tensors, checked against each other.
    ///
    /// - Parameter gateCount: rows of the weights in multiples of the hidden size.
    func geometry(_ inputs: PlanInputs, gateCount: Int) throws(EngineError) -> RecurrentGeometry {
        let source = try inputs.tensor(0)
        let weights = try inputs.shape(1)
        let recurrence = try inputs.shape(2)
        guard source.shape.count == 3, weights.count == 3, recurrence.count == 3 else {
            throw inputs.fail(
                "X, W and R have shapes \(source.shape), \(weights), \(recurrence), expected rank 3"
            )
        }
        let hidden = recurrence[2]
        if let hiddenSize, hiddenSize != hidden {
            throw inputs.fail("hidden_size is \(hiddenSize), but R has shape \(recurrence)")
        }
        let (rows, overflow) = hidden.multipliedReportingOverflow(by: gateCount)
        guard !overflow, hidden > 0, weights == [directionCount, rows, source.shape[2]],
            recurrence == [directionCount, rows, hidden]
        else {
            throw inputs.fail(
                "W and R have shapes \(weights), \(recurrence), expected "
                    + "[\(directionCount), \(rows), \(source.shape[2])], "
                    + "[\(directionCount), \(rows), \(hidden)]")
        }
        let geometry = RecurrentGeometry(
            steps: source.shape[isBatchFirst ? 1 : 0], batch: source.shape[isBatchFirst ? 0 : 1],
            inputs: source.shape[2], hidden: hidden, gates: gateCount,
            directions: directionCount, isBatchFirst: isBatchFirst)
        try check(inputs, 3, [directionCount, 2 * rows], source.dataType, "B")
        if inputs.has(4) {
            let lengths = try inputs.tensor(4)
            guard lengths.dataType == .int32, lengths.shape == [geometry.batch] else {
                throw inputs.fail(
                    "sequence_lens has type \(lengths.dataType) and shape \(lengths.shape), "
                        + "expected int32 and [\(geometry.batch)]")
            }
        }
        try check(inputs, 5, geometry.stateShape, source.dataType, "initial_h")
        return geometry
    }

    /// Throws unless an optional input is left out or has this shape.
    func check(
        _ inputs: PlanInputs, _ index: Int, _ shape: Shape, _ type: DataType, _ name: String
    ) throws(EngineError) {
        guard inputs.has(index) else { return }
        let found = try inputs.tensor(index)
        guard found.shape == shape, found.dataType == type else {
            throw inputs.fail(
                "\(name) has type \(found.dataType) and shape \(found.shape), expected \(type) "
                    + "and \(shape)")
        }
    }
}

/// Sizes of a recurrent operator's tensors, and where rows lie in them.
struct RecurrentGeometry: Sendable {
    var steps: Int
    var batch: Int
    var inputs: Int
    var hidden: Int
    var gates: Int
    var directions: Int
    var isBatchFirst: Bool

    /// Shape of initial and final states.
    var stateShape: Shape {
        isBatchFirst ? [batch, directions, hidden] : [directions, batch, hidden]
    }

    var sequenceShape: Shape {
        isBatchFirst ? [batch, steps, directions, hidden] : [steps, directions, batch, hidden]
    }

    /// Which row of X (of `steps * batch`) is step `step` of sequence `row`.
    @inline(__always)
    func inputRow(_ step: Int, _ row: Int) -> Int {
        isBatchFirst ? row * steps + step : step * batch + row
    }

    /// Offset of a row in Y.
    @inline(__always)
    func outputOffset(_ step: Int, _ direction: Int, _ row: Int) -> Int {
        let index =
            isBatchFirst
            ? (row * steps + step) * directions + direction
            : (step * directions + direction) * batch + row
        return index * hidden
    }

    /// Offset of a row in a state.
    @inline(__always)
    func stateOffset(_ direction: Int, _ row: Int) -> Int {
        (isBatchFirst ? row * directions + direction : direction * batch + row) * hidden
    }
}

extension RecurrentNode {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let batch = isBatchFirst ? 0 : 1
        guard let rows = node.rows(0) else {
            try node.requireNoRows()
            return node.outputs.map { _ in nil }
        }
        guard rows.axis == batch else { throw RowMixing("steps along the rows of the batch") }
        // Sequence lengths, then the initial states.
        let places = [4: 0, 5: batch, 6: batch]
        for index in node.inputRows.indices.dropFirst() where node.inputs.has(index) {
            let expected = places[index].map { rows.moved(to: $0) }
            guard node.rows(index) == expected else {
                throw RowMixing("has other rows in input \(index) than in input 0")
            }
        }
        let output = isBatchFirst ? 0 : 2
        return node.outputs.indices.map { rows.moved(to: $0 == 0 ? output : batch) }
    }
}
