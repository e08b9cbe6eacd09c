import ApusCore

/// Runs a model once before it serves: plans are made, weights packed, pages faulted in.
///
/// Its inputs are made up, and a valid model may not take them (a `Range` whose step is an input, text
/// that is no number or none of the categories): an error is a warning, unless it says that the model
/// takes nothing at all. What a model must be able to do, golden cases say.
struct WarmUp {
    let model: any ExecutableModel
    /// 0 = not batched.
    let maxBatchSize: Int
    let threadCountMax: Int
    let cancellation: RunControl?

    /// The largest batch is run only if it should not take longer than this.
    private static let nanosecondsMax: UInt64 = 1_000_000_000

    /// Models whose shapes are not known but for the batch are left alone: a guess may be invalid.
    ///
    /// - Returns: why the model did not take the inputs; nil if it did.
    /// - Throws: once `cancellation` has stopped.
    func run() throws -> String? {
        do {
            try runMadeUp()
            return nil
        } catch {
            if cancellation?.isStopped == true { throw error }
            return (error as? any ServingError)?.message ?? "\(error)"
        }
    }

    private func runMadeUp() throws {
        let first = maxBatchSize > 0 ? 1 : 0
        guard let inputs = try inputs(batchSize: first) else { return }
        let instance = try model.makeInstance()
        let start = MonotonicClock.nowNanoseconds()
        _ = try instance.run(inputs, threadCountMax: threadCountMax, cancellation: cancellation)
        let duration = MonotonicClock.nowNanoseconds() - start
        guard maxBatchSize > 1, let largest = try self.inputs(batchSize: maxBatchSize),
            duration < Self.nanosecondsMax / UInt64(maxBatchSize)
        else { return }
        _ = try instance.run(largest, threadCountMax: threadCountMax, cancellation: cancellation)
    }

    /// Zeros, or nil if a shape is not known.
    private func inputs(batchSize: Int) throws -> [Tensor?]? {
        var result: [Tensor?] = []
        for input in model.signature.inputs {
            var shape = input.shape
            if batchSize > 0, shape.first == -1 { shape[0] = batchSize }
            guard let count = shape.checkedElementCount else { return nil }
            guard let width = input.dataType.byteCount else {
                // Text that is a number as well.
                let texts = [[UInt8]](repeating: [UInt8(ascii: "0")], count: count)
                result.append(try Tensor(shape: shape, strings: texts))
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
