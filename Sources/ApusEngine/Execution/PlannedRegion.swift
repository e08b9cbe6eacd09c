import ApusCore

/// Neighbouring nodes of a program that runs on values, which can be planned together: between
/// nodes with strings or shapes that depend on data, the rest still runs by cached plans.
final class PlannedRegion: Sendable {
    let nodes: Range<Int>
    /// Values from outside that are not constants of the model.
    let inputs: [String]
    /// Values that are read behind the region.
    let outputs: [String]
    let plans = PlanCache()

    private init(nodes: Range<Int>, inputs: [String], outputs: [String]) {
        self.nodes = nodes
        self.inputs = inputs
        self.outputs = outputs
    }

    /// The region that starts at node `start`, with the types and shapes that `values` have now.
    ///
    /// - Returns: no region if the node itself cannot be planned without contents of this run; and
    ///   whether the next run would find the same, which it need not after an error.
    static func find(
        in program: Program, at start: Int, _ values: [String: Value], _ session: RunSession
    ) -> (region: PlannedRegion?, isFinal: Bool) {
        let assembler = PlanAssembler(services: session.services, lastUse: program.lastUse)
        var inputs: [String] = []
        var known = Set<String>()
        var end = start
        var isFinal = true
        while end < program.nodes.count {
            let bound = program.nodes[end]
            guard canPlan(bound), let added = add(bound, program, values, known, assembler)
            else { break }
            for name in added {
                guard let tensor = values[name]?.tensor else { continue }
                assembler.addInput(
                    name, PlannedTensor(tensor.dataType, tensor.shape), index: inputs.count)
                inputs.append(name)
            }
            do { try assembler.add(bound, index: end) } catch {
                inputs.removeLast(added.count)
                // What is wrong, if it was not for contents, the node says when it runs alone.
                if case .error = error { isFinal = false }
                break
            }
            known.formUnion(bound.node.inputs)
            known.formUnion(bound.node.outputs)
            end += 1
        }
        guard end > start else { return (nil, isFinal) }
        let made = program.nodes[start..<end].flatMap(\.node.outputs)
        let region = PlannedRegion(
            nodes: start..<end, inputs: inputs,
            outputs: made.filter { program.lastUse[$0] ?? -1 >= end })
        return (region, isFinal)
    }

    private static func canPlan(_ bound: BoundNode) -> Bool {
        guard bound.captures.isEmpty, bound.op is any StepOperator else { return false }
        return (bound.op as? any StringOperator)?.makesStrings != true
    }

    /// Hands the node's constants to the assembler.
    ///
    /// - Returns: the values from outside that the node reads first; nil if one is no tensor of
    ///   numbers.
    private static func add(
        _ bound: BoundNode, _ program: Program, _ values: [String: Value], _ known: Set<String>,
        _ assembler: PlanAssembler
    ) -> [String]? {
        var added: [String] = []
        for name in bound.node.inputs
        where !name.isEmpty && !known.contains(name) && !added.contains(name) {
            if let constant = program.constants[name] {
                assembler.addConstant(constant)
            } else if let tensor = values[name]?.tensor, tensor.dataType != .string {
                added.append(name)
            } else {
                return nil
            }
        }
        return added
    }

    /// Runs the region.
    ///
    /// - Returns: its outputs; nil if some node needs contents with the inputs' types and shapes.
    func run(
        _ program: Program, _ values: [String: Value], _ session: RunSession
    ) throws(EngineError) -> [Tensor]? {
        var tensors: [Tensor] = []
        var signature: [PlannedTensor] = []
        for name in inputs {
            guard let tensor = values[name]?.tensor, tensor.dataType != .string else { return nil }
            signature.append(PlannedTensor(tensor.dataType, tensor.shape))
            tensors.append(try NodeEvaluator.aligned(tensor))
        }
        let entry = try plans.entry(for: signature) { () throws(PlanningFailure) in
            try plan(program, signature, session)
        }
        switch entry {
        case .onValues: return nil
        case .plan(let plan): return try session.run(plan, tensors)
        }
    }

    private func plan(
        _ program: Program, _ signature: [PlannedTensor], _ session: RunSession
    ) throws(PlanningFailure) -> Plan {
        let assembler = PlanAssembler(services: session.services, lastUse: program.lastUse)
        for (index, name) in inputs.enumerated() {
            assembler.addInput(name, signature[index], index: index)
        }
        var given = Set<String>()
        for index in nodes {
            for name in program.nodes[index].node.inputs where given.insert(name).inserted {
                guard let constant = program.constants[name] else { continue }
                assembler.addConstant(constant)
            }
            try assembler.add(program.nodes[index], index: index)
        }
        do { return try Plan(assembled: try assembler.finish(outputNames: outputs)) } catch {
            throw .error(error)
        }
    }
}
