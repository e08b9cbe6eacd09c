import ApusCore

/// A request that fits the model, in the model's order.
struct CheckedRequest {
    /// One per input of the signature; nil for an absent optional one.
    let inputs: [Tensor?]
    /// Wanted outputs as positions in the signature.
    let outputPositions: [Int]
    /// First dimension of all inputs; 1 for a model without batching, and where a model whose rows are
    /// not proven independent gets inputs of different first dimensions.
    let rowCount: Int
    let byteCount: Int
    let key: BatchKey
}

/// Compares requests with a model's signature.
struct RequestCheck: Sendable {
    private let identity: ModelIdentity
    private let signature: ModelSignature
    private let inputPositions: [String: Int]
    private let outputPositions: [String: Int]
    private let allOutputs: [Int]
    /// 0 = the first dimension has no meaning of its own.
    private let maxBatchSize: Int
    private let refusesOversized: Bool
    private let hasIndependentRows: Bool
    private let isJoining: Bool

    init(identity: ModelIdentity, signature: ModelSignature, configuration: ModelConfiguration) {
        self.identity = identity
        self.signature = signature
        inputPositions = Self.positions(signature.inputs)
        outputPositions = Self.positions(signature.outputs)
        allOutputs = Array(signature.outputs.indices)
        maxBatchSize = max(configuration.maxBatchSize, 0)
        refusesOversized = configuration.oversizedRequests == .refuse
        hasIndependentRows = configuration.rows.isIndependent
        isJoining = configuration.joinsRequests
    }

    func checked(_ request: InferenceRequest) throws(SchedulerError) -> CheckedRequest {
        var inputs = [Tensor?](repeating: nil, count: signature.inputs.count)
        var byteCount = 0
        for input in request.inputs {
            guard let position = inputPositions[input.name] else {
                throw .unknownInput(model: identity, input: input.name)
            }
            guard inputs[position] == nil else {
                throw .duplicateInput(model: identity, input: input.name)
            }
            try check(input.tensor, against: signature.inputs[position])
            inputs[position] = input.tensor
            byteCount += Self.byteCount(of: input.tensor)
        }
        for (position, input) in signature.inputs.enumerated()
        where inputs[position] == nil && !input.isOptional {
            throw .missingInput(model: identity, input: input.name)
        }
        return CheckedRequest(
            inputs: inputs, outputPositions: try outputs(of: request),
            rowCount: try rowCount(of: inputs), byteCount: byteCount,
            key: isJoining ? BatchKey(inputs: inputs) : .alone)
    }

    private func check(
        _ tensor: Tensor, against expected: TensorSpecification
    ) throws(SchedulerError) {
        guard tensor.dataType == expected.dataType else {
            throw .wrongDataType(
                model: identity, input: expected.name, found: tensor.dataType,
                expected: expected.dataType)
        }
        let fits =
            tensor.shape.count == expected.shape.count
            && zip(tensor.shape, expected.shape).allSatisfy { $0 == $1 || $1 < 0 }
        guard fits || !expected.hasRank else {
            throw .wrongShape(
                model: identity, input: expected.name, found: tensor.shape,
                expected: expected.shape)
        }
    }

    private func rowCount(of inputs: [Tensor?]) throws(SchedulerError) -> Int {
        guard maxBatchSize > 0 else { return 1 }
        var common: Int?
        for (position, input) in inputs.enumerated() {
            guard let input else { continue }
            let specification = signature.inputs[position]
            guard let rowCount = input.shape.first else {
                throw .wrongShape(
                    model: identity, input: specification.name, found: input.shape,
                    expected: specification.shape)
            }
            guard rowCount == common ?? rowCount else {
                // Nobody knows that these dimensions are a batch: the model says whether they fit.
                if !hasIndependentRows { return 1 }
                throw .wrongRowCount(
                    model: identity, input: specification.name, found: rowCount,
                    expected: common ?? rowCount)
            }
            common = rowCount
        }
        let rowCount = common ?? 1
        guard rowCount <= maxBatchSize || !refusesOversized else {
            throw .batchTooLarge(model: identity, rowCount: rowCount, rowCountMax: maxBatchSize)
        }
        return rowCount
    }

    private func outputs(of request: InferenceRequest) throws(SchedulerError) -> [Int] {
        guard !request.requestedOutputs.isEmpty else { return allOutputs }
        var positions: [Int] = []
        for name in request.requestedOutputs {
            guard let position = outputPositions[name] else {
                throw .unknownOutput(model: identity, output: name)
            }
            positions.append(position)
        }
        return positions
    }

    private static func positions(_ tensors: [TensorSpecification]) -> [String: Int] {
        Dictionary(tensors.enumerated().map { ($1.name, $0) }) { first, _ in first }
    }

    /// Bytes in memory; a string counts its header too.
    private static func byteCount(of tensor: Tensor) -> Int {
        switch tensor.storage {
        case .bytes(let bytes): bytes.count
        case .strings(let strings): strings.reduce(0) { $0 + $1.count + 40 }
        }
    }
}
