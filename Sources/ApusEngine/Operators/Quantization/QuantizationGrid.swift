internal import ApusCore

/// Which scale belongs to which element: one for all, one per index of an axis, or one per block of
/// indices of an axis.
///
/// - Source: ONNX QuantizeLinear, opset 25, "three supported quantization granularities".
struct QuantizationGrid: Sendable {
    /// Elements behind one index of the axis.
    private let inner: Int
    private let axisLength: Int
    /// Indices of the axis that share a scale.
    private let block: Int
    private let granularity: Granularity
    let scaleCount: Int

    private enum Granularity { case tensor, axis, blocks }

    /// Elements that lie beside each other and whose scales do so, too, or are the same one.
    struct Run {
        var start: Int
        var count: Int
        var scale: Int
        /// 0 if all elements have the same scale, else 1.
        var scaleStep: Int
    }

    /// - Throws: unless inputs 1 (scale) and 2 (zero point, if there) fit input 0.
    init(_ inputs: PlanInputs, axis: Int, blockSize: Int) throws(EngineError) {
        let shape = try inputs.shape(0)
        let scales = try inputs.shape(1)
        scaleCount = scales.elementCount
        if inputs.has(2) {
            // One scale may be a scalar or a vector, whatever its zero point is.
            let zeros = try inputs.shape(2)
            guard zeros == scales || (scaleCount == 1 && zeros.elementCount == 1) else {
                throw inputs.fail("zero points have shape \(zeros), their scales \(scales)")
            }
        }
        if scaleCount == 1 {
            (granularity, inner, axisLength, block) = (.tensor, 1, 1, 1)
            return
        }
        let axis = try inputs.normalized(axis: axis, rank: shape.count)
        axisLength = shape[axis]
        inner = Array(shape[(axis + 1)...]).elementCount
        if blockSize == 0 {
            guard scales == [axisLength] else {
                throw inputs.fail("scales of shape \(scales) do not fit axis \(axis) of \(shape)")
            }
            (granularity, block) = (.axis, 1)
            return
        }
        guard blockSize > 0 else { throw inputs.fail("block_size is \(blockSize)") }
        var expected = shape
        expected[axis] = axisLength == 0 ? 0 : (axisLength - 1) / blockSize + 1
        guard scales == expected else {
            throw inputs.fail(
                "scales have shape \(scales), expected \(expected) for blocks of \(blockSize)")
        }
        (granularity, block) = (.blocks, min(blockSize, max(axisLength, 1)))
    }

    /// Calls `body` with the runs that cover the elements of `range`, in order.
    @inline(__always)
    func forEachRun(_ range: Range<Int>, _ body: (Run) -> Void) {
        switch granularity {
        case .tensor:
            body(Run(start: range.lowerBound, count: range.count, scale: 0, scaleStep: 0))
        case .axis where inner == 1:
            forEachPart(range, length: axisLength) { start, count in
                body(Run(start: start, count: count, scale: start % axisLength, scaleStep: 1))
            }
        case .axis:
            forEachPart(range, length: inner) { start, count in
                let scale = start / inner % axisLength
                body(Run(start: start, count: count, scale: scale, scaleStep: 0))
            }
        case .blocks:
            let blocks = (axisLength - 1) / block + 1
            // Behind the last axis a scale covers a block of neighbours, else a row of scales a row.
            forEachPart(range, length: inner == 1 ? axisLength : inner) { start, count in
                let line = start / inner
                let outer = line / axisLength
                if inner > 1 {
                    let row = outer * blocks + line % axisLength / block
                    let scale = row * inner + start % inner
                    body(Run(start: start, count: count, scale: scale, scaleStep: 1))
                    return
                }
                var done = 0
                while done < count {
                    let index = line % axisLength + done
                    let part = min(block - index % block, count - done)
                    let scale = outer * blocks + index / block
                    body(Run(start: start + done, count: part, scale: scale, scaleStep: 0))
                    done += part
                }
            }
        }
    }

    /// Cuts `range` at the multiples of `length`.
    @inline(__always)
    private func forEachPart(_ range: Range<Int>, length: Int, _ body: (Int, Int) -> Void) {
        var start = range.lowerBound
        while start < range.upperBound {
            let count = min(length - start % length, range.upperBound - start)
            body(start, count)
            start += count
        }
    }
}
