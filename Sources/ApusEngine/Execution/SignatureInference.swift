import ApusCore

/// Shapes of a model's inputs and outputs with symbolic dimensions.
///
/// Types and shapes of outputs are found by planning the model at two points, with different lengths
/// for each symbolic dimension: a dimension that differs between the two is dynamic, and one that
/// equals a symbol's length at both points is that symbol. What the file says of outputs, which may
/// be left over from an earlier state of the graph, counts only where the model cannot be planned.
enum SignatureInference {
    private static let firstLengths = [3, 5, 7, 11, 13, 17]
    private static let secondLengths = [4, 6, 8, 12, 14, 18]

    static func signature(
        of program: Program, _ session: RunSession
    ) throws(EngineError) -> ModelSignature {
        var symbols: [String] = []
        let inputs = program.graph.inputs.map { named($0, &symbols) }
        var outputs = program.graph.outputs.map { $0 }
        if let first = planned(program, inputs, symbols, firstLengths, session),
            let second = planned(program, inputs, symbols, secondLengths, session)
        {
            for index in outputs.indices {
                merge(&outputs[index], first[index], second[index], symbols)
            }
        }
        return ModelSignature(
            inputs: program.graph.inputs.map(specification),
            outputs: outputs.map(specification))
    }

    /// Gives unnamed dynamic dimensions a name of their own.
    private static func named(_ value: GraphValue, _ symbols: inout [String]) -> [String?] {
        (value.shape ?? []).enumerated().map { index, length in
            guard length < 0 else { return nil }
            let name = value.dimensionNames[index] ?? "\(value.name)#\(index)"
            if !symbols.contains(name) { symbols.append(name) }
            return name
        }
    }

    private static func length(_ symbol: Int, _ lengths: [Int]) -> Int {
        lengths[symbol % lengths.count] + 20 * (symbol / lengths.count)
    }

    /// The outputs' types and shapes at some lengths of the symbols.
    private static func planned(
        _ program: Program, _ inputs: [[String?]], _ symbols: [String], _ lengths: [Int],
        _ session: RunSession
    ) -> [PlannedTensor]? {
        var signature: [PlannedTensor] = []
        for (value, names) in zip(program.graph.inputs, inputs) {
            guard case .tensor(let type) = value.type, type != .string, let shape = value.shape
            else { return nil }
            signature.append(
                PlannedTensor(
                    type,
                    zip(shape, names).map { fixed, name in
                        name.flatMap { symbols.firstIndex(of: $0) }.map { length($0, lengths) }
                            ?? fixed
                    }))
        }
        // A model that cannot be planned at these lengths keeps the shapes of its file.
        guard case .plan(let plan)? = try? ProgramRunner.entry(program, signature, session) else {
            return nil
        }
        return plan.outputTensors(for: signature)
    }

    private static func merge(
        _ output: inout GraphValue, _ first: PlannedTensor, _ second: PlannedTensor,
        _ symbols: [String]
    ) {
        output.type = .tensor(first.dataType)
        let (first, second) = (first.shape, second.shape)
        guard first.count == second.count else { return }
        let shape = zip(first, second).map { $0 == $1 ? $0 : -1 }
        if output.shape?.count != shape.count { output.dimensionNames = shape.map { _ in nil } }
        output.shape = shape
        for axis in shape.indices
        where shape[axis] == -1 && output.dimensionNames[axis] == nil {
            // Names that the file gave; those made up here say nothing to a reader.
            output.dimensionNames[axis] =
                symbols.enumerated().first { index, name in
                    first[axis] == length(index, firstLengths)
                        && second[axis] == length(index, secondLengths) && !name.contains("#")
                }?.element
        }
    }

    private static func specification(_ value: GraphValue) -> TensorSpecification {
        guard case .tensor(let dataType) = value.type else {
            return TensorSpecification(name: value.name, dataType: .float, shape: [])
        }
        guard let shape = value.shape else {
            return TensorSpecification(
                name: value.name, dataType: dataType, shape: [-1], hasRank: false)
        }
        return TensorSpecification(
            name: value.name, dataType: dataType, shape: shape,
            dimensionNames: value.dimensionNames)
    }
}
