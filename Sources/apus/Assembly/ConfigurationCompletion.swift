import ApusConfiguration
import ApusCore

/// Completes what a model's configuration leaves open from what the model file says, and refuses
/// what contradicts it. Pure.
///
/// As in Triton: a configuration that lists both inputs and outputs is complete and only checked.
/// Otherwise missing tensors are added, and a model whose inputs and outputs all have a free first
/// dimension becomes batched.
///
/// - Source: Triton, "Model Configuration: Auto-Generated Model Configuration".
struct ConfigurationCompletion {
    let signature: ModelSignature
    /// Whether rows are proven to stay apart.
    let rows: RowVerdict
    /// Whether each output has as many rows as the inputs; nil if that depends on data.
    let outputsFollowRows: Bool?
    /// Batch size of a batchable model whose configuration names none; 0 = no batching.
    let defaultMaxBatchSize: Int
    var defaultBatching = DefaultBatching()

    func complete(
        _ configuration: ModelConfiguration
    ) throws(AssemblyError) -> ModelConfiguration {
        var result = configuration
        let isComplete = !configuration.inputs.isEmpty && !configuration.outputs.isEmpty
        if !isComplete, configuration.maxBatchSize == 0, hasBatchDimension {
            result.maxBatchSize = defaultMaxBatchSize
            result.oversizedRequests = defaultBatching.oversizedRequests
        }
        if result.maxBatchSize > 0 { try checkBatchable(result.maxBatchSize) }
        result.rows = rows
        result.parameters[ModelConfiguration.rowsParameter] = rows.text
        if !isComplete, result.maxBatchSize > 1, result.dynamicBatching == nil, rows.isIndependent {
            var batching = defaultBatching.dynamic
            batching.preferredBatchSizes.removeAll { $0 > result.maxBatchSize }
            result.dynamicBatching = batching
        }
        let isBatched = result.maxBatchSize > 0
        result.inputs = try completed(
            configuration.inputs, from: signature.inputs, role: "input", isBatched: isBatched,
            isAdding: true)
        result.outputs = try completed(
            configuration.outputs, from: signature.outputs, role: "output", isBatched: isBatched,
            isAdding: !isComplete)
        result.executionTimeoutMicroseconds = try executionTimeout(configuration)
        return result
    }

    /// In microseconds; 0 if there is none.
    private func executionTimeout(
        _ configuration: ModelConfiguration
    ) throws(AssemblyError) -> UInt64 {
        let name = ModelConfiguration.executionTimeoutParameter
        guard let text = configuration.parameters[name] else { return 0 }
        guard let microseconds = Duration(setting: text)?.microseconds else {
            throw .configuration(
                reason: "\(name) is \"\(text)\", expected a time as 500ms, 30s or 5m")
        }
        return UInt64(clamping: microseconds)
    }

    /// Whether dimension 0 of all inputs and outputs is the batch, as far as one can tell.
    private var hasBatchDimension: Bool {
        guard signature.isBatchable, outputsFollowRows != false else { return false }
        if rows.isIndependent || outputsFollowRows == true { return true }
        let names = (signature.inputs + signature.outputs).compactMap {
            $0.dimensionNames.first ?? nil
        }
        return Set(names).count <= 1
    }

    /// Why requests are not joined although a batch size is configured or their shapes would allow it;
    /// nil if they are joined, or nobody would expect it.
    func notice(_ configuration: ModelConfiguration, completed: ModelConfiguration) -> RowNotice? {
        guard case .notProven = rows, completed.maxBatchSize > 1 || signature.isBatchable else {
            return nil
        }
        let isAsked = configuration.maxBatchSize > 1
        return RowNotice(
            isWarning: isAsked,
            text: "requests are not joined"
                + (isAsked ? " although max_batch_size is \(configuration.maxBatchSize)" : "")
                + ": \(rows.text)")
    }

    /// The signature with the free dimensions that the configuration fixes.
    func refinedSignature(_ configuration: ModelConfiguration) -> ModelSignature {
        let isBatched = configuration.maxBatchSize > 0
        return ModelSignature(
            inputs: signature.inputs.map {
                refined($0, by: configuration.inputs, isBatched: isBatched)
            },
            outputs: signature.outputs.map {
                refined($0, by: configuration.outputs, isBatched: isBatched)
            })
    }

    private func checkBatchable(_ maxBatchSize: Int) throws(AssemblyError) {
        let tensors =
            signature.inputs.map { ("input", $0) } + signature.outputs.map { ("output", $0) }
        for (role, tensor) in tensors where tensor.shape.first != -1 {
            throw .configuration(
                reason:
                    "max_batch_size is \(maxBatchSize), but \(role) \"\(tensor.name)\" of shape "
                    + "\(tensor.shape) has no free first dimension; set max_batch_size: 0")
        }
    }

    private func completed(
        _ entries: [ModelConfiguration.TensorEntry], from tensors: [TensorSpecification],
        role: String, isBatched: Bool, isAdding: Bool
    ) throws(AssemblyError) -> [ModelConfiguration.TensorEntry] {
        var result = entries
        for (index, entry) in entries.enumerated() {
            guard let tensor = tensors.first(where: { $0.name == entry.name }) else {
                let names = tensors.map { "\"\($0.name)\"" }.joined(separator: ", ")
                throw .configuration(
                    reason: "\(role) \"\(entry.name)\" is not in the model, which has \(names)")
            }
            try check(entry, against: tensor, role: role, isBatched: isBatched)
            if tensor.isOptional { result[index].isOptional = true }
        }
        for tensor in tensors where !entries.contains(where: { $0.name == tensor.name }) {
            guard isAdding else { continue }
            result.append(
                ModelConfiguration.TensorEntry(
                    name: tensor.name, dataType: tensor.dataType,
                    dims: configuredDims(tensor, isBatched: isBatched),
                    isOptional: tensor.isOptional))
        }
        return result
    }

    /// Dimensions as the configuration has them: without the batch's, `[1]` for a scalar.
    private func configuredDims(_ tensor: TensorSpecification, isBatched: Bool) -> [Int] {
        let dims = isBatched ? Array(tensor.shape.dropFirst()) : tensor.shape
        return dims.isEmpty ? [1] : dims
    }

    private func check(
        _ entry: ModelConfiguration.TensorEntry, against tensor: TensorSpecification, role: String,
        isBatched: Bool
    ) throws(AssemblyError) {
        guard entry.dataType == tensor.dataType else {
            throw .configuration(
                reason: "\(role) \"\(entry.name)\" has data_type \(name(of: entry.dataType)), the "
                    + "model has \(name(of: tensor.dataType))")
        }
        let dims = isBatched ? Array(tensor.shape.dropFirst()) : tensor.shape
        let isScalar = dims.isEmpty && entry.dims == [1]
        let fits =
            !tensor.hasRank
            || dims.count == entry.dims.count
                && zip(entry.dims, dims).allSatisfy { $0 == $1 || $1 == -1 }
        guard isScalar || fits else {
            throw .configuration(
                reason: "\(role) \"\(entry.name)\" has dims \(entry.dims), the model has \(dims)"
                    + (isBatched ? " after the batch dimension" : ""))
        }
    }

    private func name(of type: DataType) -> String { type.wireName ?? "\(type)" }

    private func refined(
        _ tensor: TensorSpecification, by entries: [ModelConfiguration.TensorEntry],
        isBatched: Bool
    ) -> TensorSpecification {
        guard let entry = entries.first(where: { $0.name == tensor.name }) else { return tensor }
        let head = isBatched ? Array(tensor.shape.prefix(1)) : []
        let shape = head + entry.dims
        guard tensor.hasRank else {
            // An entry that was only filled in says nothing of the shape.
            let isFilledIn = entry.dims == configuredDims(tensor, isBatched: isBatched)
            return isFilledIn
                ? tensor
                : TensorSpecification(
                    name: tensor.name, dataType: tensor.dataType, shape: shape,
                    isOptional: tensor.isOptional)
        }
        guard shape.count == tensor.shape.count else { return tensor }
        return TensorSpecification(
            name: tensor.name, dataType: tensor.dataType, shape: shape,
            dimensionNames: tensor.dimensionNames, isOptional: tensor.isOptional)
    }
}

/// What a user should know about requests that are not joined.
struct RowNotice: Equatable {
    /// The configuration asks for what is not done.
    var isWarning: Bool
    var text: String
}
