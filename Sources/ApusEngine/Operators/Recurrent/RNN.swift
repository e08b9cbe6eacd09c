internal import ApusCore

/// A simple recurrent layer: `H = f(X W^T + H R^T + Wb + Rb)`.
///
/// - Shapes: as `RecurrentLayer`, one gate. - Source: ONNX RNN, opset 22.
struct RNN: StepOperator, RecurrentCell {
    static let gateCount = 1
    static let products = [0..<1]
    static let hasCellState = false
    var separateBiasGate: Int? { nil }

    private let node: RecurrentNode

    init(_ node: NodeReader) throws(EngineError) {
        self.node = try RecurrentNode(node, activations: [.tanh])
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
        block.multiply(block.hidden, product: 0, gates: 0..<1)
        for row in 0..<block.rowCount {
            guard let input = block.inputs[row] else { continue }
            let h = block.hidden + row * size
            let gate = block.gates + row * size
            for i in 0..<size { h[i] = gate[i] + input[i] }
            block.activate(h, node.activations[block.direction])
        }
    }
}

extension RNN {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        try self.node.rows(through: node)
    }
}
