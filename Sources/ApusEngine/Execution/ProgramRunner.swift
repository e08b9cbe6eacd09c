import ApusCore

/// Runs a program: by a cached plan where shapes are enough to plan it, else node by node on values.
enum ProgramRunner {
    /// - Parameter inputs: the graph's inputs, then its captures.
    static func run(
        _ program: Program, _ inputs: [Value?], _ session: RunSession
    ) throws(EngineError) -> [Value] {
        let tensors = inputs.compactMap { value in
            value?.tensor.flatMap { $0.dataType == .string ? nil : $0 }
        }
        guard tensors.count == inputs.count else { return try walk(program, inputs, session) }
        let signature = tensors.map { PlannedTensor($0.dataType, $0.shape) }
        switch try entry(program, signature, session) {
        case .onValues: return try walk(program, inputs, session)
        case .plan(let plan):
            var aligned: [Tensor] = []
            for tensor in tensors { aligned.append(try NodeEvaluator.aligned(tensor)) }
            return try session.run(plan, aligned).map { .tensor($0) }
        }
    }

    /// The plan for a signature, made if there is none yet.
    static func entry(
        _ program: Program, _ signature: [PlannedTensor], _ session: RunSession
    ) throws(EngineError) -> PlanCache.Entry {
        if let found = program.plans[signature] { return found }
        let made: PlanCache.Entry
        do {
            made = .plan(try plan(program, signature, session))
        } catch {
            switch error {
            case .needsValues: made = .onValues
            case .error(let error): throw error
            }
        }
        program.plans.insert(made, for: signature)
        return made
    }

    private static func plan(
        _ program: Program, _ signature: [PlannedTensor], _ session: RunSession
    ) throws(PlanningFailure) -> Plan {
        let assembler = PlanAssembler(services: session.services, lastUse: program.lastUse)
        for (index, name) in (program.graph.inputs.map(\.name) + program.captures).enumerated() {
            assembler.addInput(name, signature[index], index: index)
        }
        for (name, tensor) in program.graph.initializers {
            assembler.addConstant(name, tensor, isModelConstant: true)
        }
        for (index, node) in program.nodes.enumerated() { try assembler.add(node, index: index) }
        do {
            return Plan(
                assembled: try assembler.finish(outputNames: program.graph.outputs.map(\.name)))
        } catch {
            throw .error(error)
        }
    }

    /// Node by node; values are dropped after their last use.
    private static func walk(
        _ program: Program, _ inputs: [Value?], _ session: RunSession
    ) throws(EngineError) -> [Value] {
        var values: [String: Value] = [:]
        for (name, tensor) in program.graph.initializers { values[name] = .tensor(tensor) }
        for (index, name) in (program.graph.inputs.map(\.name) + program.captures).enumerated()
        where index < inputs.count {
            values[name] = inputs[index]
        }
        for (index, bound) in program.nodes.enumerated() {
            try session.checkCancelled()
            var arguments: [Value?] = []
            var constants: Set<Int> = []
            for (position, name) in bound.node.inputs.enumerated() {
                if name.isEmpty {
                    arguments.append(nil)
                    continue
                }
                guard let value = values[name] else {
                    throw .invalidGraph("\(bound.node.label) reads \"\(name)\", which is not known")
                }
                arguments.append(value)
                if program.graph.initializers[name] != nil { constants.insert(position) }
            }
            var captured: [String: Value] = [:]
            for name in bound.captures { captured[name] = values[name] }
            let results = try NodeEvaluator.evaluate(
                bound, arguments, captured: captured, constants: constants, session)
            guard results.count >= bound.node.outputs.count else {
                throw .invalidNode(
                    node: bound.node.label, reason: "names more outputs than the operator has")
            }
            for (name, value) in zip(bound.node.outputs, results) where !name.isEmpty {
                values[name] = value
            }
            for name in bound.node.inputs + bound.captures where program.lastUse[name] == index {
                values[name] = nil
            }
        }
        var outputs: [Value] = []
        for output in program.graph.outputs {
            guard let value = values[output.name] else {
                throw .invalidGraph("nothing makes the output \"\(output.name)\"")
            }
            outputs.append(value)
        }
        return outputs
    }
}
