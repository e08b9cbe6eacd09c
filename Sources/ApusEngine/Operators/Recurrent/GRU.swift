internal import ApusCore

/// A layer of gated recurrent units; gates in the order update z, reset r, hidden h:
/// `H = (1 - z) h + z H`, with `h = g(X Wh^T + (r H) Rh^T + Rbh + Wbh)`, or with
/// `linear_before_reset` `h = g(X Wh^T + r (H Rh^T + Rbh) + Wbh)`.
///
/// - Shapes: as `RecurrentLayer`, three gates. - Source: ONNX GRU, opset 22.
struct GRU: StepOperator, RecurrentCell {
    static let gateCount = 3
    static let products = [0..<2, 2..<3]
    static let hasCellState = false
    var separateBiasGate: Int? { isLinearBeforeReset ? 2 : nil }

    private let node: RecurrentNode
    private let isLinearBeforeReset: Bool

    init(_ node: NodeReader) throws(EngineError) {
        self.node = try RecurrentNode(node, activations: [.sigmoid, .tanh])
        isLinearBeforeReset = try node.flag("linear_before_reset")
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
        let f = node.activations[2 * block.direction]
        let g = node.activations[2 * block.direction + 1]
        block.multiply(block.hidden, product: 0, gates: 0..<2)
        if isLinearBeforeReset { block.multiply(block.hidden, product: 1, gates: 2..<3) }
        for row in 0..<block.rowCount {
            let reset = block.extra + row * size
            guard let input = block.inputs[row] else {
                reset.update(repeating: 0, count: size)
                continue
            }
            let gates = block.gates + row * 3 * size
            for i in 0..<2 * size { gates[i] += input[i] }
            block.activate(gates, f)
            block.activate(gates + size, f)
            let h = block.hidden + row * size
            for i in 0..<size { reset[i] = gates[size + i] * h[i] }
        }
        if !isLinearBeforeReset { block.multiply(block.extra, product: 1, gates: 2..<3) }
        for row in 0..<block.rowCount {
            guard let input = block.inputs[row] else { continue }
            let update = block.gates + row * 3 * size
            let reset = update + size
            let new = reset + size
            if isLinearBeforeReset {
                for i in 0..<size {
                    new[i] = input[2 * size + i] + reset[i] * (new[i] + block.bias[i])
                }
            } else {
                for i in 0..<size { new[i] += input[2 * size + i] }
            }
            block.activate(new, g)
            let h = block.hidden + row * size
            for i in 0..<size { h[i] = (1 - update[i]) * new[i] + update[i] * h[i] }
        }
    }
}

extension GRU {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        try self.node.rows(through: node)
    }
}
