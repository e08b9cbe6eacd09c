internal import ApusCore

/// A sub-graph that runs once per slice of its scan inputs, carrying a state; what else it makes is
/// stacked.
///
/// - Inputs: the states, then the scan inputs. In opset 8 an optional input with the length of each
///   sequence comes first, and dimension 0 of everything else is the batch.
/// - Outputs: the states at the end, then the stacked outputs; in opset 8 those of short sequences
///   are filled up with zeros.
/// - Source: ONNX Scan, opsets 8 and 25.
struct Scan: ControlFlowOperator {
    private let body: Program
    private let isBatched: Bool
    private let stateCount: Int
    private let inputAxes: [Int]
    private let inputIsReversed: [Bool]
    private let outputAxes: [Int]
    private let outputIsReversed: [Bool]

    var bodies: [Program] { [body] }

    init(_ node: NodeReader) throws(EngineError) {
        body = try node.body("body")
        isBatched = node.opsetVersion < 9
        let valueCount = node.inputCount - (isBatched ? 1 : 0)
        guard let scanCount = try node.int("num_scan_inputs"), scanCount >= 1,
            scanCount <= valueCount
        else { throw node.fail("attribute \"num_scan_inputs\" is not in 1...\(valueCount)") }
        stateCount = valueCount - scanCount
        let outputCount = body.graph.outputs.count - stateCount
        guard body.graph.inputs.count == valueCount, outputCount >= 0,
            node.outputCount <= body.graph.outputs.count
        else {
            throw node.fail(
                "has \(valueCount) inputs and \(node.outputCount) outputs, but its body "
                    + "\(body.graph.inputs.count) and \(body.graph.outputs.count)")
        }
        let directions = isBatched ? "directions" : "scan_input_directions"
        inputAxes = try Self.list(node, "scan_input_axes", scanCount)
        inputIsReversed = try Self.list(node, directions, scanCount).map { $0 != 0 }
        outputAxes = try Self.list(node, "scan_output_axes", outputCount)
        outputIsReversed = try Self.list(node, "scan_output_directions", outputCount)
            .map { $0 != 0 }
    }

    /// One number per scan input or output, 0 if the attribute is missing.
    private static func list(
        _ node: NodeReader, _ name: String, _ count: Int
    ) throws(EngineError) -> [Int] {
        let values = try node.ints(name) ?? Array(repeating: 0, count: count)
        guard values.count == count else {
            throw node.fail("attribute \"\(name)\" has \(values.count) values, expected \(count)")
        }
        return values
    }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let offset = isBatched ? 1 : 0
        var states: [Value] = []
        var tensors: [Tensor] = []
        for index in offset..<inputs.count {
            if index - offset < stateCount {
                states.append(try context.value(inputs, index))
            } else {
                tensors.append(try context.tensor(inputs, index))
            }
        }
        guard isBatched else { return try scan(states, tensors, length: nil, context) }
        return try scanBatch(states, tensors, lengths: inputs[0], context)
    }

    /// - Parameter length: how many slices to take, if not all.
    private func scan(
        _ initial: [Value], _ inputs: [Tensor], length given: Int?, _ context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        var axes: [Int] = []
        var length: Int?
        for (index, input) in inputs.enumerated() {
            let axis = try context.normalized(
                "axis", inputAxes[index], length: input.shape.count)
            axes.append(axis)
            guard length == nil || length == input.shape[axis] else {
                throw context.fail(
                    "scan input \(index) has length \(input.shape[axis]), others \(length ?? 0)")
            }
            length = input.shape[axis]
        }
        let count = given ?? length ?? 0
        var states = initial
        let slices = zip(inputs, axes).map { input, axis -> PlannedTensor? in
            var shape = input.shape
            shape.remove(at: axis)
            return PlannedTensor(input.dataType, shape)
        }
        var stacks = StackedOutput.all(
            of: body, after: stateCount,
            count > 0 ? nil : states.map(PlannedTensor.init) + slices, in: context)
        var outputs: [[Value]] = stacks.map { _ in [] }
        for step in 0..<count {
            try context.checkCancelled()
            var slices = states
            for (index, input) in inputs.enumerated() {
                let position = inputIsReversed[index] ? count - 1 - step : step
                slices.append(
                    .tensor(try context.naming { try input.slice(axis: axes[index], position) }))
            }
            let results = try context.run(body, slices)
            states = Array(results[..<stateCount])
            for index in stacks.indices {
                let value = results[stateCount + index]
                if outputIsReversed[index] {
                    outputs[index].append(value)
                } else {
                    try stacks[index].append(value, in: context)
                }
            }
        }
        for index in stacks.indices {
            for value in outputs[index].reversed() {
                try stacks[index].append(value, in: context)
            }
            states.append(.tensor(try stacks[index].tensor(axis: outputAxes[index], in: context)))
        }
        return states
    }

    /// Opset 8: one scan per sequence of the batch.
    private func scanBatch(
        _ states: [Value], _ inputs: [Tensor], lengths: Value?, _ context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let all =
            try states.map { value throws(EngineError) in
                try context.tensor([value], 0)
            } + inputs
        guard let batch = all.first?.shape.first, all.allSatisfy({ $0.shape.first == batch }),
            inputs.allSatisfy({ $0.shape.count >= 2 }), let longest = inputs.first?.shape[1]
        else { throw context.fail("its inputs do not share a batch and a sequence dimension") }
        let counts = lengths?.tensor?.integers ?? Array(repeating: longest, count: batch)
        guard counts.count == batch, counts.allSatisfy({ $0 >= 0 && $0 <= longest }) else {
            throw context.fail("sequence lengths are not \(batch) values in 0...\(longest)")
        }
        var stacks = body.graph.outputs.map { StackedOutput($0) }
        for sequence in 0..<batch {
            let own = try all.map { tensor throws(EngineError) in
                try context.naming { try tensor.slice(axis: 0, sequence) }
            }
            let results = try scan(
                own[..<stateCount].map { .tensor($0) }, Array(own[stateCount...]),
                length: counts[sequence], context)
            for (index, result) in results.enumerated() {
                let isState = index < stateCount
                try stacks[index].append(
                    isState ? result : filled(result, to: longest, context), in: context)
            }
        }
        var outputs: [Value] = []
        for stack in stacks { outputs.append(.tensor(try stack.tensor(in: context))) }
        return outputs
    }

    /// `value` with zeros after its rows, `count` in all.
    private func filled(
        _ value: Value, to count: Int, _ context: EvaluationContext
    ) throws(EngineError) -> Value {
        guard let tensor = value.tensor, let rows = tensor.shape.first, rows < count else {
            return value
        }
        var shape = tensor.shape
        shape[0] = count - rows
        var collector = TensorCollector(tensor.dataType)
        try collector.append(tensor, in: context)
        let rest = shape
        let zeros = try context.naming { try Tensor.zeros(tensor.dataType, rest) }
        try collector.append(zeros, in: context)
        shape[0] = count
        let (made, whole) = (collector, shape)
        return .tensor(try context.naming { try made.tensor(whole) })
    }
}

extension Scan: RowFlowOperator {
    func rowValues(
        _ inputs: [RowAnalysis.Value?], captured: [String: RowAnalysis.Value],
        in analysis: RowAnalysis
    ) throws -> [RowAnalysis.Value] {
        let given = inputs.compactMap { $0 }
        guard !isBatched, given.count == inputs.count, given.count == stateCount + inputAxes.count
        else { throw RowMixing("runs once for each row of the batch") }
        var slices: [RowAnalysis.Value] = []
        var length: [Int]?
        for (value, axis) in zip(given[stateCount...], inputAxes) {
            let rank = value.tensors[0].shape.count
            let axis = axis < 0 ? axis + rank : axis
            guard (0..<rank).contains(axis), value.rows?.axis != axis else {
                throw RowMixing("steps along the rows of the batch")
            }
            length = value.tensors.map { $0.shape[axis] }
            slices.append(value.slice(without: axis))
        }
        let results = try analysis.repeated(
            body, fixed: [], carried: Array(given[..<stateCount]), slices: slices, first: 0,
            captured: captured)
        guard let length, Set(length).count == 1 else {
            throw RowMixing("steps along the rows of the batch")
        }
        let stacks = try zip(results[stateCount...], outputAxes).map { value, axis in
            guard let stacked = value.stacked(length[0], axis: axis) else {
                throw RowMixing("stacks along an axis that is not there, or too much")
            }
            return stacked
        }
        return results[..<stateCount].map(\.withoutContents) + stacks
    }
}

extension RowAnalysis.Value {
    /// One slice across an axis.
    fileprivate func slice(without axis: Int) -> RowAnalysis.Value {
        RowAnalysis.Value(
            tensors.map {
                var shape = $0.shape
                shape.remove(at: axis)
                return PlannedTensor($0.dataType, shape)
            }, rows: rows.map { $0.moved(to: $0.axis - ($0.axis > axis ? 1 : 0)) })
    }

    /// Slices behind one another along a new axis.
    fileprivate func stacked(_ count: Int, axis: Int) -> RowAnalysis.Value? {
        let rank = tensors[0].shape.count + 1
        let axis = axis < 0 ? axis + rank : axis
        guard (0..<rank).contains(axis) else { return nil }
        let stacks = tensors.map {
            var shape = $0.shape
            shape.insert(count, at: axis)
            return PlannedTensor($0.dataType, shape)
        }
        guard stacks.allSatisfy({ $0.shape.checkedElementCount != nil }) else { return nil }
        return RowAnalysis.Value(
            stacks, rows: rows.map { $0.moved(to: $0.axis + ($0.axis >= axis ? 1 : 0)) })
    }
}
