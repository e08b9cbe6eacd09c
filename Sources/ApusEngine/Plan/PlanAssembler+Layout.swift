import ApusCore

/// Chooses between the two orders of an image's elements, node by node.
extension PlanAssembler {
    /// How a node is planned: its operator, and its inputs in the order that it wants.
    struct Arrangement {
        var op: any StepOperator
        var inputs: [Operand?]
        var planInputs: PlanInputs
        /// As the operator sees them.
        var outputs: [PlannedTensor]
        /// Whether outputs lie with channels last.
        var makesImages: Bool
    }

    /// Adds the copies that the node needs in front of it.
    func arranged(
        _ op: any StepOperator, _ inputs: [Operand?], _ planInputs: PlanInputs,
        _ outputs: [PlannedTensor]
    ) throws -> Arrangement {
        guard let form = try channelsLastForm(op, inputs, planInputs, outputs) else {
            return Arrangement(
                op: op, inputs: try inputs.map { try $0.map { try withChannelsFirst($0) } },
                planInputs: planInputs, outputs: outputs, makesImages: false)
        }
        let rank = outputs.first?.shape.count ?? 0
        var own = inputs
        for index in inputs.indices {
            guard let operand = inputs[index] else { continue }
            own[index] =
                form.images.contains(index)
                ? try withChannelsLast(operand) : try withChannelsFirst(operand)
        }
        let seen = planInputs.channelsLast(form.images, rank: rank)
        return Arrangement(
            op: form.op, inputs: own, planInputs: seen, outputs: try form.op.outputs(for: seen),
            makesImages: form.makesImages)
    }

    private func channelsLastForm(
        _ op: any StepOperator, _ inputs: [Operand?], _ planInputs: PlanInputs,
        _ outputs: [PlannedTensor]
    ) throws -> ChannelsLastForm? {
        if let op = op as? any ImageOperator {
            return try op.channelsLast(for: planInputs) {
                $0 < inputs.count && inputs[$0]?.isChannelsLast == true
            }
        }
        guard let op = op as? any ElementwiseOperator, op.isSymmetric,
            inputs.contains(where: { $0?.isChannelsLast == true }), let output = outputs.first,
            output.shape.count >= 3
        else { return nil }
        var images: Set<Int> = []
        for (index, operand) in inputs.enumerated() {
            guard let shape = operand?.tensor.shape, shape.elementCount != 1 else { continue }
            let missing = output.shape.count - shape.count
            let full = [Int](repeating: 1, count: max(missing, 0)) + shape
            guard missing == 0 || full.isSameInBothLayouts else { return nil }
            images.insert(index)
        }
        return ChannelsLastForm(op: op, images: images)
    }

    /// The value with channels first: itself, or a copy that all later nodes share.
    func withChannelsFirst(_ operand: Operand) throws -> Operand {
        operand.isChannelsLast ? try copied(operand, toChannelsLast: false) : operand
    }

    /// The value with channels last: itself, or a copy that all later nodes share.
    func withChannelsLast(_ operand: Operand) throws -> Operand {
        guard !operand.isChannelsLast, !operand.tensor.shape.isSameInBothLayouts else {
            return operand
        }
        return try copied(operand, toChannelsLast: true)
    }

    private func copied(_ operand: Operand, toChannelsLast: Bool) throws -> Operand {
        if let known = otherLayouts[operand.name] { return known }
        let tensor = operand.tensor
        let layout = LayoutCopy(tensor.shape, toChannelsLast: toChannelsLast)
        guard let byteCount = tensor.byteCount, let body = try tensor.dataType.visitWidth(layout)
        else {
            throw EngineError.invalidNode(
                node: operand.name,
                reason: "elements of type \(tensor.dataType) cannot change their layout")
        }
        var copy = operand
        copy.known = nil
        copy.modelConstant = nil
        copy.isChannelsLast = toChannelsLast
        copy.slot = makeStorageSlot(
            byteCount: byteCount, lastUse: max(lastUse[operand.name] ?? nodeIndex, nodeIndex))
        let step = PlannedStep(
            isSerial: false, scratchByteCount: 0, operationCount: layout.copy.elementCount,
            work: .swift { frame throws(EngineError) in
                let range = frame.share(of: layout.copy.unitCount, grain: layout.copy.grain)
                if !range.isEmpty { try body(frame, range) }
            })
        let direction = toChannelsLast ? "last" : "first"
        try append(
            AssembledNode(
                label: "channels \(direction) \"\(operand.name)\"",
                steps: layout.copy.elementCount > 0 ? [step] : [],
                inputSlots: usedSlots(of: [operand]), outputSlots: [copy.slot]))
        touch([operand])
        otherLayouts[operand.name] = copy
        return copy
    }
}
