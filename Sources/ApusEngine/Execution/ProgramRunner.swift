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
        try program.plans.entry(for: signature) { () throws(PlanningFailure) in
            try plan(program, signature, session)
        }
    }

    private static func plan(
        _ program: Program, _ signature: [PlannedTensor], _ session: RunSession
    ) throws(PlanningFailure) -> Plan {
        // The model's own words, and not those of a tensor that is there.
        for tensor in signature where tensor.shape.checkedElementCount == nil {
            throw .error(.limitExceeded("no memory holds an input of shape \(tensor.shape)"))
        }
        let assembler = PlanAssembler(services: session.services, lastUse: program.lastUse)
        for (index, name) in (program.graph.inputs.map(\.name) + program.captures).enumerated() {
            assembler.addInput(name, signature[index], index: index)
        }
        for constant in program.constants.values { assembler.addConstant(constant) }
        for (index, node) in program.nodes.enumerated() {
            do { try session.checkCancelled() } catch { throw .error(error) }
            try assembler.add(node, index: index)
        }
        do {
            return try Plan(
                assembled: try assembler.finish(outputNames: program.graph.outputs.map(\.name)))
        } catch {
            throw .error(error)
        }
    }

    /// Node by node, but for regions that can be planned; values are dropped after their last use.
    private static func walk(
        _ program: Program, _ inputs: [Value?], _ session: RunSession
    ) throws(EngineError) -> [Value] {
        var values: [String: Value] = [:]
        for (index, name) in (program.graph.inputs.map(\.name) + program.captures).enumerated()
        where index < inputs.count {
            values[name] = inputs[index]
        }
        var index = 0
        while index < program.nodes.count {
            try session.checkCancelled()
            if let region = program.region(at: index, values, session),
                let results = try region.run(program, values, session)
            {
                for (name, tensor) in zip(region.outputs, results) {
                    values[name] = .tensor(tensor)
                }
                for done in region.nodes { drop(program, done, from: &values) }
                index = region.nodes.upperBound
            } else {
                try runNode(program, index, &values, session)
                drop(program, index, from: &values)
                index += 1
            }
        }
        var outputs: [Value] = []
        for output in program.graph.outputs {
            guard let value = value(output.name, program, values) else {
                throw .invalidGraph("nothing makes the output \"\(output.name)\"")
            }
            outputs.append(value)
        }
        return outputs
    }

    private static func value(
        _ name: String, _ program: Program, _ values: [String: Value]
    ) -> Value? {
        values[name] ?? program.constants[name]?.content.map { .tensor($0) }
    }

    private static func runNode(
        _ program: Program, _ index: Int, _ values: inout [String: Value], _ session: RunSession
    ) throws(EngineError) {
        let bound = program.nodes[index]
        var arguments: [Value?] = []
        var constants: [Int: ModelConstant] = [:]
        for (position, name) in bound.node.inputs.enumerated() {
            if name.isEmpty {
                arguments.append(nil)
                continue
            }
            constants[position] = program.constants[name]
            let value = value(name, program, values)
            guard value != nil || constants[position] != nil else {
                throw .invalidGraph("\(bound.node.label) reads \"\(name)\", which is not known")
            }
            arguments.append(value)
        }
        var captured: [String: Value] = [:]
        for name in bound.captures { captured[name] = value(name, program, values) }
        let results = try NodeEvaluator.evaluate(
            bound, arguments, captured: captured, constants: constants, session)
        guard results.count >= bound.node.outputs.count else {
            throw .invalidNode(
                node: bound.node.label, reason: "names more outputs than the operator has")
        }
        for (name, value) in zip(bound.node.outputs, results) where !name.isEmpty {
            values[name] = value
        }
    }

    private static func drop(_ program: Program, _ index: Int, from values: inout [String: Value]) {
        let bound = program.nodes[index]
        for name in bound.node.inputs + bound.captures where program.lastUse[name] == index {
            values[name] = nil
        }
    }
}
