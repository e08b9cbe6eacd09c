internal import ApusCore

/// The work that RNN, GRU and LSTM share: one product of all inputs with the input weights, then the
/// recurrence, for which threads share the sequences.
///
/// - Shapes: X is `[steps, batch, inputs]`, W `[directions, gates * hidden, inputs]`, R
///   `[directions, gates * hidden, hidden]`; Y is `[steps, directions, batch, hidden]`, Y_h
///   `[directions, batch, hidden]`; with `layout` 1 the batch comes first. What follows the end of
///   a sequence in Y is zero; a sequence of length 0 keeps its initial state.
/// - Types: `float`, `double`, `float16`, `bfloat16`; the half precision types compute in `float`.
/// - Source: ONNX RNN, GRU, LSTM, opset 22. `output_sequence` of opsets before 7 needs no care: a
///   node names the outputs that it wants.
enum RecurrentLayer {
    static func outputs<Cell: RecurrentCell>(
        _ node: RecurrentNode, _ cell: Cell, _ inputs: PlanInputs
    ) throws(EngineError) -> [PlannedTensor] {
        let geometry = try node.geometry(inputs, gateCount: Cell.gateCount)
        let type = try inputs.dataType(0)
        if Cell.hasCellState {
            try node.check(inputs, 6, geometry.stateShape, type, "initial_c")
            try node.check(inputs, 7, [geometry.directions, 3 * geometry.hidden], type, "P")
        }
        for index in 1...2 where try inputs.dataType(index) != type {
            throw inputs.fail("X has type \(type), input \(index) \(try inputs.dataType(index))")
        }
        let state = PlannedTensor(type, geometry.stateShape)
        let all = [PlannedTensor(type, geometry.sequenceShape), state]
        return Cell.hasCellState ? all + [state] : all
    }

    static func plan<Cell: RecurrentCell>(
        _ node: RecurrentNode, _ cell: Cell, _ builder: inout StepBuilder
    ) throws(EngineError) {
        let type = try builder.inputs.dataType(0)
        switch type {
        case .float: try plan(node, cell, Float.self, &builder)
        case .double: try plan(node, cell, Double.self, &builder)
        case .float16: try plan(node, cell, Float16.self, &builder)
        case .bfloat16: try plan(node, cell, BFloat16.self, &builder)
        default: throw builder.inputs.fail("elements of type \(type) are not supported")
        }
    }

    private static func plan<Cell: RecurrentCell, Element: FloatNumber>(
        _ node: RecurrentNode, _ cell: Cell, _ type: Element.Type, _ builder: inout StepBuilder
    ) throws(EngineError) where Element.Value: RecurrentValue {
        let geometry = try node.geometry(builder.inputs, gateCount: Cell.gateCount)
        let bias = try RecurrentBias<Element>(cell, geometry, &builder)
        let projection = try inputProjection(geometry, bias, type, &builder)
        let recurrent = try RecurrentWeights<Element>(
            input: 2, gates: Cell.products, width: geometry.hidden, geometry, &builder)
        let lengths = try addLengthCheck(geometry, &builder)
        try RecurrentLoop(
            node: node, cell: cell, geometry: geometry, bias: bias, projection: projection,
            weights: recurrent, lengths: lengths, type: type, builder
        ).addStep(&builder)
    }

    /// Adds the product of all inputs with the input weights, plus bias: memory of
    /// `[directions, steps * batch, gates * hidden]`, rows in the order of X.
    private static func inputProjection<Element: FloatNumber>(
        _ geometry: RecurrentGeometry, _ bias: RecurrentBias<Element>, _ type: Element.Type,
        _ builder: inout StepBuilder
    ) throws(EngineError) -> BufferSlot where Element.Value: RecurrentValue {
        typealias Value = Element.Value
        let weights = try RecurrentWeights<Element>(
            input: 1, gates: [0..<geometry.gates], width: geometry.inputs, geometry, &builder)
        let rows = geometry.steps * geometry.batch
        let width = geometry.gates * geometry.hidden
        let source = try builder.values(ofInput: 0, Element.self)
        let target = try builder.temporary(
            of: Value.self, [geometry.directions, geometry.steps, geometry.batch, width])
        let kernels = builder.kernels
        let grain = Value.columnGrain(kernels)
        let units = (width + grain - 1) / grain
        let shape = RecurrentProduct(
            m: rows, n: width, k: geometry.inputs, aStride: geometry.inputs, cStride: width)
        builder.addParallelStep(
            count: geometry.directions * units,
            operationCount: geometry.directions * rows * width &* geometry.inputs
        ) { frame, range in
            for unit in range {
                let direction = unit / units
                let first = unit % units * grain
                Value.product(
                    kernels, shape, source(frame), weights.pointer(frame, direction, 0),
                    frame.memory(target, as: Value.self) + direction * rows * width,
                    columns: first..<min(first + grain, width),
                    bias: bias.combined(frame, direction))
            }
        }
        return target
    }

    /// Adds a step that checks `sequence_lens` and copies them.
    ///
    /// - Returns: memory of one `Int` per sequence, or nil if all are as long as X.
    private static func addLengthCheck(
        _ geometry: RecurrentGeometry, _ builder: inout StepBuilder
    ) throws(EngineError) -> BufferSlot? {
        guard builder.inputs.has(4) else { return nil }
        let slot = try builder.temporary(of: Int.self, [geometry.batch])
        let inputs = builder.inputs
        builder.addStep(isSerial: true) { frame throws(EngineError) in
            let lengths = frame.input(4, as: Int32.self)
            for row in 0..<geometry.batch {
                let length = Int(lengths[row])
                guard length >= 0, length <= geometry.steps else {
                    throw inputs.fail(
                        "sequence \(row) has length \(length), allowed are 0...\(geometry.steps)")
                }
                frame.memory(slot, as: Int.self)[row] = length
            }
        }
        return slot
    }
}

/// Numbers that a step finds in an input or in memory of its node.
struct ValueSource<Value: Sendable>: Sendable {
    fileprivate enum Place: Sendable {
        case input(Int)
        case memory(BufferSlot)
    }
    fileprivate let place: Place

    func callAsFunction(_ frame: StepFrame) -> UnsafePointer<Value> {
        switch place {
        case .input(let index): frame.input(index)
        case .memory(let slot): UnsafePointer(frame.memory(slot))
        }
    }
}

extension StepBuilder {
    /// Memory for the elements of a shape that comes from the model.
    mutating func temporary<Element>(
        of type: Element.Type, _ shape: Shape
    ) throws(EngineError) -> BufferSlot {
        guard let count = shape.checkedElementCount else {
            throw inputs.fail("a temporary of shape \(shape) is too large")
        }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
        guard !overflow else { throw inputs.fail("a temporary of shape \(shape) is too large") }
        return try temporary(byteCount: bytes)
    }

    /// An input's numbers in the type that operators compute in: the input itself, or a converted
    /// copy.
    mutating func values<Element: FloatNumber>(
        ofInput index: Int, _ type: Element.Type
    ) throws(EngineError) -> ValueSource<Element.Value> {
        if Element.self == Element.Value.self { return ValueSource(place: .input(index)) }
        let count = try inputs.shape(index).elementCount
        let slot = try temporary(of: Element.Value.self, [count])
        addParallelStep(count: count, grain: 2048, operationCount: count) { frame, range in
            let x = frame.input(index, as: Element.self)
            let y = frame.memory(slot, as: Element.Value.self)
            for i in range { y[i] = x[i].value }
        }
        return ValueSource(place: .memory(slot))
    }
}
