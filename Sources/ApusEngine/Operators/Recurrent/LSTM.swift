internal import ApusCore

/// A layer of long short-term memory; gates in the order input i, output o, forget f, cell c:
/// `C = f C + i c`, `H = o h(C)`, with peepholes from C to the gates i, o and f.
///
/// - Shapes: as `RecurrentLayer`, four gates; `Y_c` as `Y_h`. - Source: ONNX LSTM, opset 22.
struct LSTM: StepOperator, RecurrentCell {
    static let gateCount = 4
    static let products = [0..<4]
    static let hasCellState = true
    var separateBiasGate: Int? { nil }

    private let node: RecurrentNode
    /// The forget gate is `1 - i`.
    private let couplesForget: Bool

    init(_ node: NodeReader) throws(EngineError) {
        self.node = try RecurrentNode(node, activations: [.sigmoid, .tanh, .tanh])
        couplesForget = try node.flag("input_forget")
    }

    var mayLeaveOutFirstOutput: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        try RecurrentLayer.outputs(node, self, inputs)
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        try RecurrentLayer.plan(node, self, &builder)
    }

    func advance<Value: RecurrentValue>(_ block: RecurrentBlock<Value>) {
        let size = block.hiddenSize
        block.multiply(block.hidden, product: 0, gates: 0..<4)
        for row in 0..<block.rowCount {
            guard let input = block.inputs[row] else { continue }
            let gates = block.gates + row * 4 * size
            for i in 0..<4 * size { gates[i] += input[i] }
            advance(block, gates, block.hidden + row * size, block.cell + row * size)
        }
    }

    @inline(__always)
    private func advance<Value: RecurrentValue>(
        _ block: RecurrentBlock<Value>, _ gates: UnsafeMutablePointer<Value>,
        _ hidden: UnsafeMutablePointer<Value>, _ cell: UnsafeMutablePointer<Value>
    ) {
        let size = block.hiddenSize
        let f = node.activations[3 * block.direction]
        let g = node.activations[3 * block.direction + 1]
        let h = node.activations[3 * block.direction + 2]
        let (input, output, forget, new) = (gates, gates + size, gates + 2 * size, gates + 3 * size)
        if let p = block.peepholes {
            for i in 0..<size { input[i] += p[i] * cell[i] }
            for i in 0..<size { forget[i] += p[2 * size + i] * cell[i] }
        }
        block.activate(input, f)
        if couplesForget {
            for i in 0..<size { forget[i] = 1 - input[i] }
        } else {
            block.activate(forget, f)
        }
        block.activate(new, g)
        for i in 0..<size { cell[i] = forget[i] * cell[i] + input[i] * new[i] }
        if let p = block.peepholes {
            for i in 0..<size { output[i] += p[size + i] * cell[i] }
        }
        block.activate(output, f)
        for i in 0..<size { hidden[i] = cell[i] }
        block.activate(hidden, h)
        for i in 0..<size { hidden[i] *= output[i] }
    }
}

extension LSTM {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        try self.node.rows(through: node)
    }
}
