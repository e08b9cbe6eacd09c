internal import ApusCore
internal import CApusKernels

/// A step that computes each row of features on its own, in `float`.
extension StepBuilder {
    /// - Parameters:
    ///   - workPerRow: rough number of operations.
    ///   - extraScratch: further floats of scratch memory that `body` gets.
    ///   - body: gets a row's number, its features and the extra memory.
    mutating func addRowStep(
        _ rows: FeatureRows, workPerRow: Int, extraScratch: Int = 0,
        _ body:
            @escaping @Sendable (
                StepFrame, _ row: Int, UnsafePointer<Float>, UnsafeMutablePointer<Float>
            ) throws(EngineError) -> Void
    ) throws(EngineError) {
        let floats = rows.scratchByteCount / 4
        let (scratch, overflow) = (floats + extraScratch).multipliedReportingOverflow(by: 4)
        guard !overflow else { throw inputs.fail("its rows are too long") }
        addParallelStep(
            count: rows.rowCount, grain: 4, scratchByteCount: max(scratch, 64),
            operationCount: rows.rowCount &* workPerRow
        ) { frame, range throws(EngineError) in
            let memory = frame.scratch(as: Float.self)
            for row in range {
                let x = rows.floats(frame, row: row, scratch: memory)
                try body(frame, row, x, memory + floats)
            }
        }
    }
}

/// Vectors of equal length that rows are multiplied with or compared to.
final class FeatureVectors: Sendable {
    let count: Int
    let length: Int
    private let values: [Float]
    /// By the kernels' name; shared by all plans.
    private let packed = Guarded<[String: TensorBytes]>([:])

    /// - Parameter values: the vectors, one after the other; `count * length` elements.
    init(_ values: [Float], count: Int, length: Int) {
        self.count = count
        self.length = length
        self.values = values
    }

    /// The vectors in the layout of a set of kernels.
    func bound(to kernels: Kernels) throws(EngineError) -> BoundVectors {
        if let found = packed.withLock({ $0[kernels.name] }) {
            return BoundVectors(vectors: self, kernels: kernels, packed: found)
        }
        let made = try pack(kernels)
        packed.withLock { $0[kernels.name] = made }
        return BoundVectors(vectors: self, kernels: kernels, packed: made)
    }

    private func pack(_ kernels: Kernels) throws(EngineError) -> TensorBytes {
        let byteCount = kernels.gemm_packed_count_f32(length, count) * 4
        do {
            return try TensorBytes(byteCount: byteCount) { memory in
                values.withUnsafeBytes { source in
                    kernels.gemm_pack_b_f32(
                        source.baseAddress, 1, Int64(length), length, count,
                        memory.baseAddress?.assumingMemoryBound(to: Float.self))
                }
            }
        } catch {
            throw (error as? CoreError).flatMap { EngineError(memory: $0) }
                ?? .outOfMemory(byteCount: byteCount)
        }
    }

    /// `sums[v] = Σ (x[i] - vector[v][i])²`, in the order of i.
    func distances(_ x: UnsafePointer<Float>, _ sums: UnsafeMutablePointer<Float>) {
        values.withUnsafeBufferPointer { values in
            for v in 0..<count {
                var sum: Float = 0
                for i in 0..<length {
                    let difference = x[i] - values[v * length + i]
                    sum += difference * difference
                }
                sums[v] = sum
            }
        }
    }
}

/// Vectors packed for the dense kernels.
struct BoundVectors: Sendable {
    let vectors: FeatureVectors
    private let kernels: Kernels
    private let packed: TensorBytes

    fileprivate init(vectors: FeatureVectors, kernels: Kernels, packed: TensorBytes) {
        self.vectors = vectors
        self.kernels = kernels
        self.packed = packed
    }

    /// `sums[v] = Σ x[i] * vector[v][i]`: one chain of fused multiply-adds each, in the order of i.
    func products(_ x: UnsafePointer<Float>, _ sums: UnsafeMutablePointer<Float>) {
        let (count, length) = (vectors.count, vectors.length)
        packed.withUnsafeBytes { packed in
            kernels.gemm_f32(
                1, count, length, x, Int64(length),
                packed.baseAddress?.assumingMemoryBound(to: Float.self), sums, Int64(count), 0,
                count, 1, nil)
        }
    }
}
