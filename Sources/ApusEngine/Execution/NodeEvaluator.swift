import ApusCore

/// Runs one node on values: for folding, and for programs whose shapes depend on data.
enum NodeEvaluator {
    /// - Parameters:
    ///   - captured: outer values that the node's sub-graphs use.
    ///   - constants: by position, inputs that are constants of the model. Those that the node reads
    ///     in a layout only may have no value any more.
    static func evaluate(
        _ bound: BoundNode, _ inputs: [Value?], captured: [String: Value],
        constants: [Int: ModelConstant], _ session: RunSession
    ) throws(EngineError) -> [Value] {
        try session.releasingReservations { () throws(EngineError) in
            try results(bound, inputs, captured: captured, constants: constants, session)
        }
    }

    private static func results(
        _ bound: BoundNode, _ inputs: [Value?], captured: [String: Value],
        constants: [Int: ModelConstant], _ session: RunSession
    ) throws(EngineError) -> [Value] {
        if let op = bound.op as? any ValueOperator {
            let context = EvaluationContext(
                session: session, captured: captured, node: bound.node.label)
            return try op.evaluate(inputs, in: context)
        }
        // The one step operator that takes every kind of value.
        if bound.op is Identity, let value = inputs.first ?? nil { return [value] }
        guard let op = bound.op as? any StepOperator else {
            throw .invalidNode(node: bound.node.label, reason: "has no implementation")
        }
        var tensors: [Tensor?] = []
        for value in inputs {
            guard let value else {
                tensors.append(nil)
                continue
            }
            guard let tensor = value.tensor else {
                throw .invalidNode(node: bound.node.label, reason: "takes tensors only")
            }
            tensors.append(tensor)
        }
        let hasStrings = tensors.contains { $0?.dataType == .string }
        if let op = op as? any StringOperator, hasStrings || op.makesStrings {
            let context = EvaluationContext(
                session: session, captured: captured, node: bound.node.label)
            return try op.evaluateStrings(tensors, in: context)
        }
        if hasStrings {
            return try StringMover.evaluate(bound, op, tensors, session)
        }
        return try run(bound, op, tensors, constants, session).map { .tensor($0) }
    }

    /// Plans and runs a step operator on its own.
    static func run(
        _ bound: BoundNode, _ op: any StepOperator, _ tensors: [Tensor?],
        _ constants: [Int: ModelConstant], _ session: RunSession
    ) throws(EngineError) -> [Tensor] {
        let node = bound.node
        let assembler = PlanAssembler(services: session.services, lastUse: [:])
        var planTensors: [Tensor] = []
        var names: [String] = []
        for (index, tensor) in tensors.enumerated() {
            if let constant = constants[index] {
                names.append(constant.name)
                assembler.addConstant(constant)
            } else if let tensor {
                let name = "#\(index)"
                names.append(name)
                assembler.addInput(
                    name, PlannedTensor(tensor.dataType, tensor.shape), index: planTensors.count)
                planTensors.append(try aligned(tensor))
                if op.contentInputs.contains(index) { assembler.setContent(name, tensor) }
            } else {
                names.append("")
            }
        }
        var renamed = node
        renamed.inputs = names
        renamed.outputs = node.outputs.enumerated().map { $1.isEmpty ? "" : ">\($0)" }
        let single = BoundNode(node: renamed, op: bound.op, captures: [], number: bound.number)
        do {
            try assembler.addUnfolded(single)
        } catch {
            switch error {
            case .needsValues:
                throw .invalidNode(
                    node: node.label, reason: "needs the content of an input that is not known")
            case .error(let error): throw error
            }
        }
        let outputNames = renamed.outputs.filter { !$0.isEmpty }
        let plan = try Plan(assembled: try assembler.finish(outputNames: outputNames))
        let results = try session.run(plan, planTensors)
        var all: [Tensor] = []
        var next = 0
        for name in renamed.outputs {
            if name.isEmpty {
                all.append(Tensor.empty)
            } else {
                all.append(results[next])
                next += 1
            }
        }
        return all
    }

    /// The tensor itself, or a copy in aligned memory.
    static func aligned(_ tensor: Tensor) throws(EngineError) -> Tensor {
        guard let bytes = tensor.bytes, !bytes.isAligned else { return tensor }
        do {
            let copy = try bytes.withUnsafeBytes { try TensorBytes(copying: $0) }
            return try Tensor(dataType: tensor.dataType, shape: tensor.shape, bytes: copy)
        } catch {
            throw (error as? CoreError).flatMap { EngineError(memory: $0) }
                ?? .outOfMemory(byteCount: bytes.count)
        }
    }
}

extension Tensor {
    /// Stands for an output that nobody wants.
    static let empty: Tensor = {
        do { return try Tensor(shape: [0], strings: []) } catch {
            preconditionFailure("an empty tensor is valid")
        }
    }()
}

/// Lets operators that only move elements work on strings: they move indices instead.
enum StringMover {
    static func evaluate(
        _ bound: BoundNode, _ op: any StepOperator, _ inputs: [Tensor?], _ session: RunSession
    ) throws(EngineError) -> [Value] {
        guard op.movesElements else {
            throw .invalidNode(node: bound.node.label, reason: "does not take strings")
        }
        if op.keepsOrder, let source = inputs.first ?? nil {
            return [.tensor(try reshaped(bound, op, source, inputs, session))]
        }
        let context = EvaluationContext(session: session, captured: [:], node: bound.node.label)
        try context.reserve(
            count: inputs.reduce(0) { $0 + ($1?.strings?.count ?? 0) }, byteCount: 32)
        var strings: [[UInt8]] = []
        var lowered: [Tensor?] = []
        try context.naming {
            for input in inputs {
                guard let input, let elements = input.strings else {
                    lowered.append(input)
                    continue
                }
                let indices = (0..<elements.count).map { Int64($0 + strings.count) }
                strings += elements
                lowered.append(try Tensor(.int64, input.shape, indices))
            }
        }
        let moved = try NodeEvaluator.run(bound, op, lowered, [:], session)
        var results: [Value] = []
        for tensor in moved {
            guard tensor.dataType == .int64 else {
                results.append(.tensor(tensor))
                continue
            }
            try context.reserve(count: tensor.elementCount, byteCount: 16)
            let elements = tensor.elements(as: Int64.self).map { index -> [UInt8] in
                index >= 0 && index < strings.count ? strings[Int(index)] : []
            }
            results.append(try context.make(tensor.shape, strings: elements))
        }
        return results
    }

    /// The same elements under another shape.
    private static func reshaped(
        _ bound: BoundNode, _ op: any StepOperator, _ source: Tensor, _ inputs: [Tensor?],
        _ session: RunSession
    ) throws(EngineError) -> Tensor {
        let context = EvaluationContext(session: session, captured: [:], node: bound.node.label)
        let outputs = try op.outputs(for: context.planInputs(inputs))
        return try context.naming { try source.reshaped(to: outputs.first?.shape ?? source.shape) }
    }
}
