import ApusCore

/// Proves that the rows of a batch stay apart in a model, or says where they may meet.
///
/// The model is walked once, node by node, with several numbers of rows at the same time. Shapes and
/// small contents are computed for each; what is equal for all of them does not depend on the batch.
/// Where the rows lie in each value is what the operators declare (`Operator.rows(through:)`) and what
/// the shapes must agree with, down to a batch of one row. Anything that is not known counts as mixing.
struct RowAnalysis {
    /// Numbers of rows, the small ones for shapes alone: with one row every axis could be the rows'.
    static let rowCounts = [1, 2, 101, 509, 2053]
    /// Positions of those that the operators are asked about.
    static let proofs = 2..<5

    /// A value, for each number of rows.
    struct Value {
        var tensors: [PlannedTensor]
        /// Nil where the content is not known.
        var contents: [Tensor]?
        var rows: RowAxis?
        /// The contents are not the same for all numbers of rows.
        var contentVaries = false
        /// What is special about it, if it is no plain data.
        var fact: RowFact?
        /// Where its rows may have met; nil as long as they have not. Its shape counts all the same.
        var finding: Finding?

        /// A constant of the model; its elements are not known once all nodes have them in layouts.
        init(_ constant: ModelConstant) {
            tensors = rowCounts.map { _ in constant.tensor }
            if let content = constant.content { contents = rowCounts.map { _ in content } }
        }

        init(
            _ tensors: [PlannedTensor], rows: RowAxis?, fact: RowFact? = nil,
            finding: Finding? = nil
        ) {
            self.tensors = tensors
            self.rows = rows
            self.fact = fact
            self.finding = finding
        }

        init(contents: [Tensor]) {
            tensors = contents.map { PlannedTensor($0.dataType, $0.shape) }
            self.contents = contents
            contentVaries = contents.contains { !$0.hasSameContent(as: contents[0]) }
        }

        /// Whether nothing about it depends on the batch.
        var isFixed: Bool {
            rows == nil && finding == nil && !contentVaries
                && tensors.allSatisfy { $0.shape == tensors[0].shape }
        }
    }

    /// A reason with the node that it belongs to.
    struct Finding: Error {
        var node: String
        var reason: String
    }

    /// Evaluates what does not depend on the batch.
    let session: RunSession

    // MARK: Verdict

    /// What the analysis found of a model.
    struct Result {
        var verdict: RowVerdict
        /// Whether each output has as many rows as the batch; nil if shapes depend on data.
        var outputsFollowRows: Bool?
    }

    static func result(of program: Program, _ session: RunSession) -> Result {
        var last = Result(verdict: .notProven(node: "", reason: "has no inputs"))
        for guess in RowLengths.guesses {
            do {
                return try RowAnalysis(session: session).result(of: program, guess)
            } catch {
                last.verdict = .notProven(node: error.node, reason: error.reason)
                if !error.reason.hasPrefix(invalidPrefix) { break }
            }
        }
        return last
    }

    private static let invalidPrefix = "is not valid"

    private func result(
        of program: Program, _ guess: RowLengths
    ) throws(Finding) -> Result {
        let graph = program.graph
        guard !graph.inputs.isEmpty else { throw Finding(node: "", reason: "has no inputs") }
        var lengths = guess
        var inputs: [Value] = []
        for input in graph.inputs { inputs.append(try value(of: input, &lengths)) }
        let outputs = try walk(program, inputs, captured: [:])
        let follow = outputs.allSatisfy { value in
            zip(value.tensors, Self.rowCounts).allSatisfy { $0.shape.first == $1 }
        }
        for (output, value) in zip(graph.outputs, outputs) {
            guard let found = Self.finding(of: value, output) else { continue }
            return Result(
                verdict: .notProven(node: found.node, reason: found.reason),
                outputsFollowRows: follow)
        }
        return Result(verdict: .independent, outputsFollowRows: follow)
    }

    /// Why an output does not hold one row of its own for each of the batch.
    private static func finding(of value: Value, _ output: GraphValue) -> Finding? {
        if let finding = value.finding { return finding }
        let label = "output \"\(output.name)\""
        if let fact = value.fact { return Finding(node: label, reason: fact.reason) }
        guard value.rows != RowAxis(0) else { return nil }
        return Finding(
            node: label,
            reason: value.rows == nil
                ? "does not depend on the rows of the batch"
                : "does not have the rows of the batch as its first dimension")
    }

    private func value(
        of input: GraphValue, _ lengths: inout RowLengths
    ) throws(Finding) -> Value {
        let label = "input \"\(input.name)\""
        guard case .tensor(let type) = input.type else {
            throw Finding(node: label, reason: "is no tensor")
        }
        guard let shape = input.shape, let first = shape.first else {
            throw Finding(node: label, reason: "has no first dimension")
        }
        guard first == -1 else {
            throw Finding(node: label, reason: "has a first dimension of fixed length \(first)")
        }
        var rest: Shape = []
        for (axis, length) in shape.enumerated().dropFirst() {
            rest.append(
                length >= 0 ? length : lengths.length(of: input.dimensionNames[axis]))
        }
        let tensors = Self.rowCounts.map { PlannedTensor(type, [$0] + rest) }
        guard tensors.allSatisfy({ $0.shape.checkedElementCount != nil }) else {
            throw Finding(node: label, reason: "is larger than any memory")
        }
        return Value(tensors, rows: RowAxis(0))
    }

    // MARK: Walk

    /// - Parameters:
    ///   - inputs: the graph's inputs.
    ///   - captured: values of outer graphs, by name.
    /// - Returns: the graph's outputs.
    func walk(
        _ program: Program, _ inputs: [Value], captured: [String: Value]
    ) throws(Finding) -> [Value] {
        var values = captured
        for (name, constant) in program.constants { values[name] = Value(constant) }
        for (input, value) in zip(program.graph.inputs, inputs) { values[input.name] = value }
        for bound in program.nodes {
            guard session.cancellation?.isStopped != true else {
                throw Finding(node: bound.node.label, reason: "was not reached in time")
            }
            let made = try self.values(of: bound, values)
            for (name, value) in zip(bound.node.outputs, made) where !name.isEmpty {
                values[name] = value
            }
        }
        var outputs: [Value] = []
        for output in program.graph.outputs {
            guard let value = values[output.name] else {
                throw Finding(node: "output \"\(output.name)\"", reason: "is made by nobody")
            }
            outputs.append(value)
        }
        return outputs
    }

    private func values(
        of bound: BoundNode, _ known: [String: Value]
    ) throws(Finding) -> [Value] {
        var inputs: [Value?] = []
        for name in bound.node.inputs {
            guard !name.isEmpty else {
                inputs.append(nil)
                continue
            }
            guard let value = known[name] else {
                throw Finding(node: bound.node.label, reason: "reads a value that is not known")
            }
            inputs.append(value)
        }
        do {
            if let op = bound.op as? any RowFlowOperator {
                return try op.rowValues(inputs, captured: known, in: self)
            }
            return try RowStep(analysis: self, bound: bound, inputs: inputs).values()
        } catch let finding as Finding {
            throw finding
        } catch let mixing as RowMixing {
            throw Finding(node: bound.node.label, reason: mixing.reason)
        } catch let error as EngineError {
            throw Finding(
                node: bound.node.label, reason: "\(Self.invalidPrefix): \(error.message)")
        } catch {
            throw Finding(node: bound.node.label, reason: "\(error)")
        }
    }
}
