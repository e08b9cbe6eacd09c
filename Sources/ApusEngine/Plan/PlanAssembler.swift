import ApusCore

/// Why a node could not be planned.
enum PlanningFailure: Error {
    /// It needs contents that only a run knows: the program runs on values instead.
    case needsValues
    case error(EngineError)
}

/// Collects buffers and steps of a plan, node by node, then lays out the arena.
///
/// Used by one thread while it plans.
final class PlanAssembler {
    /// A value while planning.
    struct Operand {
        var name: String
        var slot: Int
        var tensor: PlannedTensor
        /// Elements that this plan knows.
        var known: Tensor?
        /// A constant that is the same in all plans of the model, so its packed form may be shared.
        var modelConstant: ModelConstant?
        /// The elements of `[N, C, spatial]` lie in the order `[N, spatial, C]`.
        var isChannelsLast = false

        /// The elements, where they are known. Not held: the model's are let go node by node.
        var constant: Tensor? { known ?? modelConstant?.content }
    }

    struct AssembledNode {
        var label: String
        var steps: [PlannedStep]
        var inputSlots: [Int]
        var outputSlots: [Int]
    }

    struct Assembled {
        var buffers: [Plan.Buffer]
        var outputs: [Plan.Output]
        var nodes: [AssembledNode]
        var arenaByteCount: Int
        /// What the plan's tables take.
        var reservation: MemoryReservation
        /// Bytes of constants that only this plan has.
        var foldedByteCount: Int
    }

    /// Memory in the arena, shared by values that alias each other.
    private struct Storage {
        var byteCount: Int
        var lifetime: ClosedRange<Int>
        /// The last node that reads any value in it.
        var lastUse: Int
    }

    private enum SlotSource {
        case constant(TensorBytes)
        case storage(Int)
        case input(Int)
        case unused
    }

    let services: PlanServices
    let lastUse: [String: Int]
    private var operands: [String: Operand] = [:]
    /// Copies of values in the other order of an image's elements, by the value's name.
    var otherLayouts: [String: Operand] = [:]
    private var slots: [SlotSource] = []
    private var storages: [Storage] = []
    private var nodes: [AssembledNode] = []
    private(set) var nodeIndex = 0
    private let reservation: MemoryReservation
    private var foldedByteCount = 0
    /// Of the node that is planned, in its program.
    private var nodeNumber = -1

    /// - Parameter lastUse: for each value name, the index of the last node that reads it.
    init(services: PlanServices, lastUse: [String: Int]) {
        self.services = services
        self.lastUse = lastUse
        reservation = MemoryReservation(account: services.account)
    }

    /// Counts memory that the plan's steps keep besides what they are given: tables, say.
    ///
    /// - Throws: `EngineError.limitExceeded`; then it must not be allocated.
    func charge(byteCount: Int) throws(EngineError) {
        do { try reservation.grow(by: byteCount) } catch {
            throw EngineError(memory: error) ?? .outOfMemory(byteCount: byteCount)
        }
    }

    /// Declares input `index` of the plan.
    func addInput(_ name: String, _ tensor: PlannedTensor, index: Int) {
        slots.append(.input(index))
        operands[name] = Operand(name: name, slot: slots.count - 1, tensor: tensor)
    }

    /// Declares a value whose content this plan knows.
    func addConstant(_ name: String, _ tensor: Tensor) {
        slots.append(.unused)
        foldedByteCount += tensor.heldByteCount
        operands[name] = Operand(
            name: name, slot: slots.count - 1,
            tensor: PlannedTensor(tensor.dataType, tensor.shape), known: tensor)
    }

    /// Declares a constant of the model.
    func addConstant(_ constant: ModelConstant) {
        slots.append(.unused)
        operands[constant.name] = Operand(
            name: constant.name, slot: slots.count - 1, tensor: constant.tensor,
            modelConstant: constant)
    }

    /// Gives a known value that has a slot its content, for nodes that need it (`contentInputs`).
    func setContent(_ name: String, _ tensor: Tensor) { operands[name]?.known = tensor }

    func makeTemporary(byteCount: Int) throws(EngineError) -> BufferSlot {
        guard byteCount >= 0, byteCount <= services.memoryByteCountMax else {
            throw .limitExceeded(
                "a temporary of \(byteCount) bytes is over the model's memory limit of "
                    + "\(services.memoryByteCountMax) bytes")
        }
        return BufferSlot(index: makeStorageSlot(byteCount: byteCount, lastUse: nodeIndex))
    }

    /// - Parameter isOnlyForm: the node never reads input `position` itself.
    func packed(
        _ constant: ModelConstant, position: Int, isOnlyForm: Bool, layout: String, byteCount: Int,
        pack: (UnsafeRawBufferPointer, UnsafeMutableRawBufferPointer) throws -> Void
    ) throws(EngineError) -> BufferSlot {
        let bytes = try services.packed.bytes(
            of: constant, layout: layout, byteCount: byteCount, pack: pack)
        if isOnlyForm { constant.noteLayout(for: .init(node: nodeNumber, position: position)) }
        slots.append(.constant(bytes))
        return BufferSlot(index: slots.count - 1)
    }

    // MARK: Nodes

    /// Plans a node of step operators without folding it: it is about to run on its own.
    func addUnfolded(_ bound: BoundNode) throws(PlanningFailure) {
        try add(bound, index: 0, mayFold: false)
    }

    /// Plans one node: folds it, or adds its steps.
    func add(_ bound: BoundNode, index: Int, mayFold: Bool = true) throws(PlanningFailure) {
        (nodeIndex, nodeNumber) = (index, bound.number)
        let node = bound.node
        let inputs = try operands(of: node)
        guard let op = bound.op as? any StepOperator else {
            return try fold(bound, inputs)
        }
        let isMovingStrings = inputs.contains { $0?.tensor.dataType == .string }
        if isMovingStrings { return try fold(bound, inputs) }
        for position in op.contentInputs where position < inputs.count {
            if let input = inputs[position], input.constant == nil { throw .needsValues }
        }
        let planInputs = PlanInputs(
            node: node.label,
            inputs: inputs.map { operand in
                operand.map {
                    PlanInputs.Input(
                        tensor: $0.tensor, known: $0.known, modelConstant: $0.modelConstant)
                }
            }, outputCount: node.outputs.count)
        do {
            if let contents = try op.contents(for: planInputs) {
                for (name, tensor) in zip(node.outputs, contents) where !name.isEmpty {
                    addConstant(name, tensor)
                }
                return
            }
            let outputs = try op.outputs(for: planInputs)
            if mayFold, op.isDeterministic, isFoldable(inputs, outputs) {
                return try fold(bound, inputs)
            }
            try emit(op, node, inputs, planInputs, outputs)
        } catch let error as EngineError {
            throw .error(error)
        } catch let failure as PlanningFailure {
            throw failure
        } catch {
            throw .error(.invalidNode(node: node.label, reason: "\(error)"))
        }
    }

    private func operands(of node: Node) throws(PlanningFailure) -> [Operand?] {
        var result: [Operand?] = []
        for name in node.inputs {
            if name.isEmpty {
                result.append(nil)
            } else if let operand = operands[name] {
                result.append(operand)
            } else {
                throw .error(.invalidGraph("\(node.label) reads \"\(name)\", which nothing makes"))
            }
        }
        return result
    }

    /// Folding must not blow constants up: at most the inputs' size or 4 MiB (tract's rule).
    private func isFoldable(_ inputs: [Operand?], _ outputs: [PlannedTensor]) -> Bool {
        guard inputs.allSatisfy({ $0 == nil || $0?.constant != nil }) else { return false }
        let inputBytes = inputs.reduce(0) { $0 &+ ($1?.constant?.bytes?.count ?? 0) }
        let outputBytes = outputs.map { $0.byteCount ?? Int.max }.max() ?? 0
        return outputBytes <= max(inputBytes, 4 << 20)
    }

    /// Evaluates a node whose inputs are all known.
    private func fold(_ bound: BoundNode, _ inputs: [Operand?]) throws(PlanningFailure) {
        guard bound.captures.isEmpty, bound.op.isDeterministic,
            !(bound.op is any ControlFlowOperator)
        else { throw .needsValues }
        var arguments: [Value?] = []
        for input in inputs {
            let content = input?.constant
            guard input == nil || content != nil else { throw .needsValues }
            arguments.append(content.map { .tensor($0) })
        }
        let values: [Value]
        do {
            values = try services.evaluate(bound, arguments)
        } catch {
            throw .error(error)
        }
        for (name, value) in zip(bound.node.outputs, values) where !name.isEmpty {
            guard let tensor = value.tensor else { throw .needsValues }
            addConstant(name, tensor)
        }
    }

    private func emit(
        _ op: any StepOperator, _ node: Node, _ inputs: [Operand?], _ planInputs: PlanInputs,
        _ outputs: [PlannedTensor]
    ) throws {
        guard outputs.count >= node.outputs.count else {
            throw EngineError.invalidNode(
                node: node.label,
                reason: "has \(node.outputs.count) outputs, at most \(outputs.count) are allowed")
        }
        // Also of those that nobody wants: steps compute with their shapes.
        for tensor in outputs where tensor.shape.checkedElementCount == nil {
            throw EngineError.limitExceeded(
                "\(node.label): no memory holds an output of shape \(tensor.shape)")
        }
        guard node.outputs.contains(where: { !$0.isEmpty }) else { return touch(inputs) }
        let arranged = try arranged(op, inputs, planInputs, outputs)
        let inputs = arranged.inputs
        var made: [Operand?] = []
        for (index, (name, tensor)) in zip(node.outputs, outputs).enumerated() {
            guard !name.isEmpty || (index == 0 && !op.mayLeaveOutFirstOutput) else {
                made.append(nil)
                continue
            }
            guard tensor.dataType != .string else { throw PlanningFailure.needsValues }
            guard let byteCount = tensor.byteCount, byteCount <= services.memoryByteCountMax else {
                throw EngineError.limitExceeded(
                    "\(node.label): an output of shape \(tensor.shape) is over the model's memory "
                        + "limit of \(services.memoryByteCountMax) bytes")
            }
            let lastReader = name.isEmpty ? nil : lastUse[name]
            let slot = makeStorageSlot(
                byteCount: byteCount, lastUse: max(lastReader ?? nodeIndex, nodeIndex))
            made.append(
                Operand(
                    name: name, slot: slot, tensor: tensor,
                    isChannelsLast: arranged.makesImages && !tensor.shape.isSameInBothLayouts))
        }
        var builder = StepBuilder(
            inputs: arranged.planInputs, outputs: arranged.outputs, kernels: services.kernels,
            denseProvider: services.denseProvider, nodeInputs: inputs, nodeOutputs: made,
            assembler: self)
        try arranged.op.plan(&builder)
        for alias in builder.aliases {
            try giveMemory(to: inputs[alias.input])
            share(alias, inputs, made, isAlias: true)
        }
        var reused: Set<Int> = []
        for reuse in builder.reuses where !reused.contains(reuse.output) {
            if share(reuse, inputs, made, isAlias: false) { reused.insert(reuse.output) }
        }
        for operand in made { operand.map { operands[$0.name] = $0 } }
        guard !builder.steps.isEmpty else {
            touch(inputs)
            return
        }
        let isEmpty = made.allSatisfy { $0 == nil || $0?.tensor.shape.contains(0) == true }
        if isEmpty && !made.isEmpty && !builder.steps.contains(where: \.isSerial) {
            touch(inputs)
            return
        }
        try append(
            AssembledNode(
                label: node.label, steps: builder.steps,
                inputSlots: usedSlots(of: inputs, packed: builder.packedInputs),
                outputSlots: made.map { $0?.slot ?? -1 }))
        touch(inputs)
    }

    func append(_ node: AssembledNode) { nodes.append(node) }

    /// - Parameter packed: positions of inputs that are read in another layout only.
    func usedSlots(of inputs: [Operand?], packed: Set<Int> = []) throws -> [Int] {
        try inputs.enumerated().map { index, operand in
            if !packed.contains(index) { try giveMemory(to: operand) }
            return operand?.slot ?? -1
        }
    }

    /// Constants get memory when a step or an alias first needs it.
    private func giveMemory(to operand: Operand?) throws {
        guard let operand, case .unused = slots[operand.slot] else { return }
        if let constant = operand.modelConstant, constant.content == nil {
            throw EngineError.invalidGraph(
                "constant \"\(operand.name)\" is wanted as it is, but is kept in a layout only")
        }
        if let bytes = try memory(of: operand) { slots[operand.slot] = .constant(bytes) }
    }

    /// The elements of a constant where steps can read them; nil if there are none.
    private func memory(of operand: Operand) throws -> TensorBytes? {
        if let constant = operand.modelConstant { return try constant.alignedBytes() }
        guard let bytes = operand.known?.bytes else { return nil }
        return bytes.isAligned ? bytes : try bytes.withUnsafeBytes { try TensorBytes(copying: $0) }
    }

    // MARK: Storage

    func makeStorageSlot(byteCount: Int, lastUse: Int) -> Int {
        storages.append(
            Storage(
                byteCount: byteCount, lifetime: nodeIndex...nodeIndex, lastUse: lastUse))
        slots.append(.storage(storages.count - 1))
        return slots.count - 1
    }

    /// Lets an output lie in an input's memory: always for an alias, when the input dies here for
    /// work in place.
    @discardableResult
    private func share(
        _ pair: (output: Int, input: Int), _ inputs: [Operand?], _ made: [Operand?], isAlias: Bool
    ) -> Bool {
        guard pair.output < made.count, pair.input < inputs.count, let output = made[pair.output],
            let input = inputs[pair.input], case .storage(let own) = slots[output.slot]
        else { return false }
        switch slots[input.slot] {
        case .storage(let source):
            guard source != own, storages[source].byteCount == storages[own].byteCount else {
                return false
            }
            if !isAlias {
                let readers = inputs.filter { operand in
                    if let operand, case .storage(source) = slots[operand.slot] { return true }
                    return false
                }
                guard storages[source].lastUse <= nodeIndex, readers.count == 1 else {
                    return false
                }
            }
            slots[output.slot] = .storage(source)
            storages[source].lastUse = max(storages[source].lastUse, storages[own].lastUse)
            storages[source].lifetime =
                storages[source].lifetime
                .lowerBound...max(
                    storages[source].lifetime.upperBound, nodeIndex)
            storages[own].byteCount = 0
        case .input(let index) where isAlias: slots[output.slot] = .input(index)
        case .constant(let bytes) where isAlias: slots[output.slot] = .constant(bytes)
        case .unused, .input, .constant: return false
        }
        return true
    }

    /// Extends the lifetime of what this node reads.
    func touch(_ inputs: [Operand?]) {
        for case .some(let operand) in inputs {
            if case .storage(let storage) = slots[operand.slot] {
                storages[storage].lifetime = storages[storage].lifetime.lowerBound...nodeIndex
            }
        }
    }

    // MARK: Result

    func finish(outputNames: [String]) throws(EngineError) -> Assembled {
        var outputs: [Plan.Output] = []
        var outputOfStorage: [Int: Int] = [:]
        for name in outputNames {
            guard let made = operands[name] else {
                throw .invalidGraph("nothing makes the output \"\(name)\"")
            }
            let operand: Operand
            do { operand = try withChannelsFirst(made) } catch let error as EngineError {
                throw error
            } catch {
                throw .invalidGraph("output \"\(name)\": \(error)")
            }
            outputs.append(output(for: operand, at: outputs.count, &outputOfStorage))
        }
        let arenaStorages = storages.indices.filter {
            outputOfStorage[$0] == nil && storages[$0].byteCount > 0
        }
        let layout = ArenaLayout(
            arenaStorages.map {
                ArenaLayout.Item(
                    byteCount: storages[$0].byteCount, lifetime: storages[$0].lifetime)
            })
        guard layout.byteCount <= services.memoryByteCountMax else {
            throw .limitExceeded(
                "the plan needs \(layout.byteCount) bytes of activations, over the model's memory "
                    + "limit of \(services.memoryByteCountMax) bytes")
        }
        var offsets: [Int: Int] = [:]
        for (position, storage) in arenaStorages.enumerated() {
            offsets[storage] = layout.offsets[position]
        }
        let buffers = slots.map { source -> Plan.Buffer in
            switch source {
            case .constant(let bytes): .constant(bytes)
            case .input(let index): .input(index)
            case .unused: .unused
            case .storage(let storage):
                if let output = outputOfStorage[storage] {
                    .output(output)
                } else {
                    .arena(offset: offsets[storage] ?? 0)
                }
            }
        }
        return Assembled(
            buffers: buffers, outputs: outputs, nodes: nodes, arenaByteCount: layout.byteCount,
            reservation: reservation, foldedByteCount: foldedByteCount)
    }

    private func output(
        for operand: Operand, at position: Int, _ outputOfStorage: inout [Int: Int]
    ) -> Plan.Output {
        switch slots[operand.slot] {
        case .input(let index): return .input(index, operand.tensor.shape)
        case .storage(let storage):
            if let earlier = outputOfStorage[storage] {
                return .shared(earlier, operand.tensor.shape)
            }
            outputOfStorage[storage] = position
            return .computed(operand.tensor)
        case .constant(let bytes):
            if let constant = operand.constant { return .constant(constant) }
            return .constantBytes(bytes, operand.tensor)
        case .unused:
            if let constant = operand.constant { return .constant(constant) }
            return .computed(operand.tensor)
        }
    }
}

extension PlannedTensor {
    /// Bytes of the elements; nil for strings, negative dimensions and products that do not fit.
    var byteCount: Int? {
        guard let width = dataType.byteCount, let count = shape.checkedElementCount else {
            return nil
        }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: width)
        return overflow ? nil : bytes
    }
}

/// What planning needs from its surroundings.
struct PlanServices {
    let kernels: Kernels
    let denseProvider: DenseProvider
    let packed: PackedConstants
    let account: MemoryAccount
    /// Largest tensor and largest arena.
    let memoryByteCountMax: Int
    /// Runs a node on known values, for folding.
    let evaluate: (BoundNode, [Value?]) throws(EngineError) -> [Value]
}
