internal import ApusCore

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

/// Vectors of equal length, the same element of all of them side by side, so that a row meets them
/// all at once.
struct SideBySide: Sendable {
    let count: Int
    let length: Int
    private let values: [Float]

    /// - Parameter vectors: one after the other; `count * length` values.
    init(_ vectors: [Float], count: Int, length: Int) {
        self.count = count
        self.length = length
        var values = [Float](repeating: 0, count: count * length)
        for vector in 0..<count {
            for i in 0..<length { values[i * count + vector] = vectors[vector * length + i] }
        }
        self.values = values
    }

    /// `sums[v] = Σ x[i] * vector[v][i]`, in the order of i.
    func products(_ x: UnsafePointer<Float>, _ sums: UnsafeMutablePointer<Float>) {
        sums.update(repeating: 0, count: count)
        values.withUnsafeBufferPointer { values in
            guard var side = values.baseAddress else { return }
            for i in 0..<length {
                let element = x[i]
                for v in 0..<count { sums[v] += element * side[v] }
                side += count
            }
        }
    }

    /// `sums[v] = Σ (x[i] - vector[v][i])²`, in the order of i.
    func distances(_ x: UnsafePointer<Float>, _ sums: UnsafeMutablePointer<Float>) {
        sums.update(repeating: 0, count: count)
        values.withUnsafeBufferPointer { values in
            guard var side = values.baseAddress else { return }
            for i in 0..<length {
                let element = x[i]
                for v in 0..<count {
                    let difference = element - side[v]
                    sums[v] += difference * difference
                }
                side += count
            }
        }
    }
}
