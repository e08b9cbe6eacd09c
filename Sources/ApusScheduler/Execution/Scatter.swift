import ApusCore

/// Cuts a batch's outputs into the responses of its requests; rows stay where the model wrote them.
struct Scatter: Sendable {
    let identity: ModelIdentity
    let signature: ModelSignature
    /// Whether dimension 0 of every output counts the rows of the batch.
    let isBatched: Bool

    /// One response per request, in the order of the batch.
    ///
    /// - Throws: `SchedulerError.wrongOutputCount` or `.outputNotBatched`.
    func responses(
        _ outputs: [Tensor], to batch: [PendingRequest]
    ) throws -> [InferenceResponse] {
        guard outputs.count == signature.outputs.count else {
            throw SchedulerError.wrongOutputCount(
                model: identity, found: outputs.count, expected: signature.outputs.count)
        }
        let rowCount = batch.reduce(0) { $0 + $1.rowCount }
        if isBatched {
            for (output, specification) in zip(outputs, signature.outputs)
            where output.shape.first != rowCount {
                throw SchedulerError.outputNotBatched(
                    model: identity, output: specification.name, found: output.shape,
                    rowCount: rowCount)
            }
        }
        var responses: [InferenceResponse] = []
        responses.reserveCapacity(batch.count)
        var start = 0
        for request in batch {
            let rows = start..<start + request.rowCount
            start = rows.upperBound
            let named = try request.outputPositions.map { position in
                NamedTensor(
                    name: signature.outputs[position].name,
                    tensor: batch.count == 1
                        ? outputs[position] : try outputs[position].rows(rows))
            }
            responses.append(InferenceResponse(identity: identity, id: request.id, outputs: named))
        }
        return responses
    }
}
