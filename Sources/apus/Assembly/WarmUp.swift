import ApusCore

/// Runs a model once before it serves: plans are made, weights packed, pages faulted in.
struct WarmUp {
    let model: any ExecutableModel
    /// 0 = not batched.
    let maxBatchSize: Int

    /// The largest batch is run only if it should not take longer than this.
    private static let nanosecondsMax: UInt64 = 1_000_000_000

    /// Models whose shapes are not known but for the batch are left alone: a guess may be invalid.
    ///
    /// - Throws: what the run throws, so that a model that cannot run is never served.
    func run(threadCountMax: Int) throws {
        let first = maxBatchSize > 0 ? 1 : 0
        guard let inputs = try inputs(batchSize: first) else { return }
        let instance = try model.makeInstance()
        let start = MonotonicClock.nowNanoseconds()
        _ = try instance.run(inputs, threadCountMax: threadCountMax, cancellation: nil)
        let duration = MonotonicClock.nowNanoseconds() - start
        guard maxBatchSize > 1, let largest = try self.inputs(batchSize: maxBatchSize),
            duration < Self.nanosecondsMax / UInt64(maxBatchSize)
        else { return }
        _ = try instance.run(largest, threadCountMax: threadCountMax, cancellation: nil)
    }

    /// Zeros, or nil if a shape is not known.
    private func inputs(batchSize: Int) throws -> [Tensor?]? {
        var result: [Tensor?] = []
        for input in model.signature.inputs {
            var shape = input.shape
            if batchSize > 0, shape.first == -1 { shape[0] = batchSize }
            guard let count = shape.checkedElementCount else { return nil }
            guard let width = input.dataType.byteCount else {
                let empty = [[UInt8]](repeating: [], count: count)
                result.append(try Tensor(shape: shape, strings: empty))
                continue
            }
            let bytes = try TensorBytes(byteCount: count * width) {
                $0.initializeMemory(as: UInt8.self, repeating: 0)
            }
            result.append(try Tensor(dataType: input.dataType, shape: shape, bytes: bytes))
        }
        return result
    }
}
