import ApusCore

/// Joins the inputs of a batch's requests along dimension 0.
enum Gather {
    /// The model's inputs for a batch.
    ///
    /// A batch of one is handed through; only numbers that do not lie on a 16-byte boundary are
    /// copied. The rows of several requests are copied once, behind one another, into `staging`.
    ///
    /// - Throws: `CoreError.outOfMemory`.
    static func inputs(
        of batch: [PendingRequest], staging: inout StagingMemory
    ) throws(CoreError) -> [Tensor?] {
        guard let first = batch.first else { return [] }
        var inputs: [Tensor?] = []
        inputs.reserveCapacity(first.inputs.count)
        for position in first.inputs.indices {
            guard let tensor = first.inputs[position] else {
                inputs.append(nil)
                continue
            }
            let isReady = batch.count == 1 && tensor.bytes?.isAligned ?? true
            inputs.append(
                isReady ? tensor : try joined(tensor, position, of: batch, staging: &staging))
        }
        return inputs
    }

    private static func joined(
        _ first: Tensor, _ position: Int, of batch: [PendingRequest],
        staging: inout StagingMemory
    ) throws(CoreError) -> Tensor {
        var shape = first.shape
        if batch.count > 1 {
            shape[0] = batch.reduce(0) { $0 + ($1.inputs[position]?.shape[0] ?? 0) }
        }
        guard first.bytes != nil else {
            let strings = batch.flatMap { $0.inputs[position]?.strings ?? [] }
            return try Tensor(shape: shape, strings: strings)
        }
        let byteCount = batch.reduce(0) { $0 + ($1.inputs[position]?.bytes?.count ?? 0) }
        let bytes = try staging.bytes(ofInput: position, byteCount: byteCount) { target in
            var offset = 0
            for request in batch {
                request.inputs[position]?.bytes?.withUnsafeBytes { source in
                    guard let start = source.baseAddress else { return }
                    (target + offset).copyMemory(from: start, byteCount: source.count)
                    offset += source.count
                }
            }
        }
        return try Tensor(dataType: first.dataType, shape: shape, bytes: bytes)
    }
}
