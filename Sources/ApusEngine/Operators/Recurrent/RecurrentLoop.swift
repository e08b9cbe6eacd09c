internal import ApusCore

/// The recurrence over time. Threads share the sequences of all directions; each walks its own from
/// the first step to the last, a block of sequences at a time.
struct RecurrentLoop<Cell: RecurrentCell, Element: FloatNumber>: Sendable
where Element.Value: RecurrentValue {
    typealias Value = Element.Value

    let node: RecurrentNode
    let cell: Cell
    let geometry: RecurrentGeometry
    let bias: RecurrentBias<Element>
    let projection: BufferSlot
    let weights: RecurrentWeights<Element>
    /// One `Int` per sequence; nil if all are as long as X.
    let lengths: BufferSlot?
    let wantsSequence: Bool
    let wantsHidden: Bool
    let wantsCell: Bool
    let hasHidden: Bool
    let hasCell: Bool
    let hasPeepholes: Bool
    let kernels: Kernels

    /// Sequences that advance together.
    private static var blockRows: Int { 32 }

    init(
        node: RecurrentNode, cell: Cell, geometry: RecurrentGeometry, bias: RecurrentBias<Element>,
        projection: BufferSlot, weights: RecurrentWeights<Element>, lengths: BufferSlot?,
        type: Element.Type, _ builder: borrowing StepBuilder
    ) {
        self.node = node
        self.cell = cell
        self.geometry = geometry
        self.bias = bias
        self.projection = projection
        self.weights = weights
        self.lengths = lengths
        wantsSequence = builder.wants(output: 0)
        wantsHidden = builder.wants(output: 1)
        wantsCell = Cell.hasCellState && builder.wants(output: 2)
        hasHidden = builder.inputs.has(5)
        hasCell = Cell.hasCellState && builder.inputs.has(6)
        hasPeepholes = Cell.hasCellState && builder.inputs.has(7)
        kernels = builder.kernels
    }

    /// Scratch of one block: states, gates and two more states per row, then the peepholes.
    private var scratchShape: Shape {
        [Self.blockRows + 1, geometry.hidden, 4 + geometry.gates]
    }

    func addStep(_ builder: inout StepBuilder) throws(EngineError) {
        guard let count = scratchShape.checkedElementCount, count < 1 << 40 else {
            throw builder.inputs.fail("a hidden size of \(geometry.hidden) is too large")
        }
        let rows = geometry.directions * geometry.batch
        let gates = geometry.gates * geometry.hidden
        let loop = self
        builder.addParallelStep(
            count: rows, pieceGrain: Self.blockRows,
            scratchByteCount: count * MemoryLayout<Value>.stride,
            operationCount: rows &* geometry.steps &* gates &* geometry.hidden
        ) { frame, range in
            var first = range.lowerBound
            while first < range.upperBound {
                let direction = first / loop.geometry.batch
                let row = first % loop.geometry.batch
                let count = min(
                    Self.blockRows, range.upperBound - first, loop.geometry.batch - row)
                loop.run(frame, direction, row..<row + count)
                first += count
            }
        }
    }

    /// Runs a block of sequences of one direction from start to end.
    private func run(_ frame: StepFrame, _ direction: Int, _ rows: Range<Int>) {
        let size = geometry.hidden
        let area = Self.blockRows * size
        let hidden = frame.scratch(as: Value.self)
        let cellState = hidden + area
        let extra = cellState + area
        let gates = extra + 2 * area
        let peepholes = gates + geometry.gates * area
        load(frame, direction, rows, hidden, cellState, peepholes)
        withUnsafeTemporaryAllocation(
            of: UnsafePointer<Value>?.self, capacity: Self.blockRows
        ) { inputs in
            withUnsafeTemporaryAllocation(
                of: UnsafePointer<Value>.self, capacity: Cell.products.count
            ) { packed in
                guard let inputs = inputs.baseAddress, let packed = packed.baseAddress else {
                    return
                }
                for product in Cell.products.indices {
                    (packed + product).initialize(
                        to: weights.pointer(frame, direction, product))
                }
                let block = RecurrentBlock(
                    kernels: kernels, direction: direction, rowCount: rows.count, hiddenSize: size,
                    gateCount: geometry.gates, clip: node.clip.map { Value($0) }, hidden: hidden,
                    cell: cellState, gates: gates, extra: extra, weights: packed,
                    bias: bias.separate(frame, direction),
                    peepholes: hasPeepholes ? UnsafePointer(peepholes) : nil, inputs: inputs)
                advance(frame, direction, rows, block, inputs)
            }
        }
        store(frame, direction, rows, hidden, cellState)
    }

    /// All steps of a block.
    private func advance(
        _ frame: StepFrame, _ direction: Int, _ rows: Range<Int>, _ block: RecurrentBlock<Value>,
        _ inputs: UnsafeMutablePointer<UnsafePointer<Value>?>
    ) {
        let size = geometry.hidden
        let width = geometry.gates * size
        let isReverse = node.isReverse(direction)
        let projected =
            UnsafePointer(frame.memory(projection, as: Value.self))
            + direction * geometry.steps * geometry.batch * width
        let lengths = lengths.map { UnsafePointer(frame.memory($0, as: Int.self)) }
        for index in 0..<geometry.steps {
            if frame.isCancelled { return }
            var activeCount = 0
            for (i, row) in rows.enumerated() {
                let length = lengths?[row] ?? geometry.steps
                let isActive = index < length
                let step = isReverse ? length - 1 - index : index
                activeCount += isActive ? 1 : 0
                let input =
                    isActive ? projected + geometry.inputRow(step, row) * width : nil
                (inputs + i).initialize(to: input)
            }
            if activeCount > 0 { cell.advance(block) }
            guard wantsSequence else { continue }
            let y = frame.output(0, as: Element.self)
            for (i, row) in rows.enumerated() {
                let length = lengths?[row] ?? geometry.steps
                let step = isReverse && index < length ? length - 1 - index : index
                let target = y + geometry.outputOffset(step, direction, row)
                let state = block.hidden + i * size
                let isActive = index < length
                for j in 0..<size { target[j] = Element(storing: isActive ? state[j] : 0) }
            }
        }
    }

    /// Fills the initial states and the peepholes.
    private func load(
        _ frame: StepFrame, _ direction: Int, _ rows: Range<Int>,
        _ hidden: UnsafeMutablePointer<Value>, _ cellState: UnsafeMutablePointer<Value>,
        _ peepholes: UnsafeMutablePointer<Value>
    ) {
        let size = geometry.hidden
        for (i, row) in rows.enumerated() {
            let offset = geometry.stateOffset(direction, row)
            if hasHidden {
                let source = frame.input(5, as: Element.self) + offset
                for j in 0..<size { hidden[i * size + j] = source[j].value }
            } else {
                (hidden + i * size).update(repeating: 0, count: size)
            }
            if hasCell {
                let source = frame.input(6, as: Element.self) + offset
                for j in 0..<size { cellState[i * size + j] = source[j].value }
            } else {
                (cellState + i * size).update(repeating: 0, count: size)
            }
        }
        guard hasPeepholes else { return }
        let source = frame.input(7, as: Element.self) + direction * 3 * size
        for j in 0..<3 * size { peepholes[j] = source[j].value }
    }

    /// Writes the final states.
    private func store(
        _ frame: StepFrame, _ direction: Int, _ rows: Range<Int>,
        _ hidden: UnsafePointer<Value>, _ cellState: UnsafePointer<Value>
    ) {
        let size = geometry.hidden
        for (i, row) in rows.enumerated() {
            let offset = geometry.stateOffset(direction, row)
            if wantsHidden {
                let target = frame.output(1, as: Element.self) + offset
                for j in 0..<size { target[j] = Element(storing: hidden[i * size + j]) }
            }
            if wantsCell {
                let target = frame.output(2, as: Element.self) + offset
                for j in 0..<size { target[j] = Element(storing: cellState[i * size + j]) }
            }
        }
    }
}
