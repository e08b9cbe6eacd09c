internal import ApusCore

/// The run-time part of attention: for one head and a block of queries the scores, their softmax, and
/// the product with the values, all in scratch memory.
struct AttentionWork<Value: AttentionValue>: Sendable {
    let geometry: AttentionGeometry
    let mask: AttentionMask
    let attributes: AttentionAttributes
    let kernels: Kernels
    let scale: Value
    let query: BufferSlot
    /// `[batch, key head]` of packed `[size, keys]` and `[keys, value size]`.
    let packedKeys: BufferSlot
    let packedValues: BufferSlot
    let target: BufferSlot
    /// `[batch, head, query, key]`, if somebody wants the scores.
    let scores: BufferSlot?

    /// From one query's scores to the next.
    private var stride: Int { (geometry.keys + 15) & ~15 }
    /// The most queries of a block: their scores stay in L2 (512 KiB of them).
    private var blockMax: Int { max(12, min(48, 131_072 / max(stride, 1))) }
    /// Blocks of queries of one head.
    private var blocks: Int { max((geometry.queries + blockMax - 1) / blockMax, 1) }

    var unitCount: Int { geometry.batch * geometry.queryHeads * blocks }
    var scratchByteCount: Int {
        let rows = min(blockMax, geometry.queries)
        let (count, overflow) = rows.multipliedReportingOverflow(by: stride + 1)
        return overflow || count > 1 << 58 ? Int.max : count * MemoryLayout<Value>.stride
    }
    var operationCount: Int {
        let count = [geometry.queryHeads, geometry.queries, geometry.keys].reduce(
            Double(geometry.batch)
        ) { $0 * Double($1) }
        return Int(min(count * Double(geometry.size + geometry.valueSize + 8), 1e15))
    }

    /// One block of queries of one head.
    func run(_ frame: StepFrame, _ unit: Int) {
        let (plane, block) = unit.quotientAndRemainder(dividingBy: blocks)
        let (image, head) = plane.quotientAndRemainder(dividingBy: geometry.queryHeads)
        let first = geometry.queries * block / blocks
        let rows = first..<geometry.queries * (block + 1) / blocks
        let keyPlane = image * geometry.keyHeads + head / geometry.groupSize
        let validKeys = mask.validKeys(frame, image)
        // No query of the block looks behind this key.
        var end = scores == nil ? 0 : geometry.keys
        for row in rows { end = max(end, mask.interval(row, validKeys: validKeys).upperBound) }
        let table = frame.scratch(as: Value.self)
        let sums = table + min(blockMax, geometry.queries) * stride
        let q =
            frame.memory(query, as: Value.self) + image * geometry.query.batch
            + head * geometry.query.head + first * geometry.query.row
        let keyStride = Value.packedCount(kernels, k: geometry.size, n: geometry.keys)
        Value.product(
            kernels,
            PackedProduct(
                m: rows.count, n: end, k: geometry.size, packedColumns: geometry.keys,
                packedRows: geometry.size, aStride: geometry.query.row, cStride: stride),
            q, frame.memory(packedKeys, as: Value.self) + keyPlane * keyStride, table,
            scale: scale)
        for row in rows {
            sums[row - first] = softmax(
                frame, table + (row - first) * stride, end: end, image: image, head: head,
                row: row, seen: mask.interval(row, validKeys: validKeys))
        }
        multiply(frame, table, sums, rows, end: end, image: image, head: head, keyPlane)
    }

    /// The product of a block's exponentials with the values, divided by their sums.
    private func multiply(
        _ frame: StepFrame, _ table: UnsafeMutablePointer<Value>,
        _ sums: UnsafeMutablePointer<Value>, _ rows: Range<Int>, end: Int, image: Int, head: Int,
        _ keyPlane: Int
    ) {
        let strides = geometry.output
        let y =
            frame.memory(target, as: Value.self) + image * strides.batch + head * strides.head
            + rows.lowerBound * strides.row
        let valueStride = Value.packedCount(kernels, k: geometry.keys, n: geometry.valueSize)
        Value.product(
            kernels,
            PackedProduct(
                m: rows.count, n: geometry.valueSize, k: end, packedColumns: geometry.valueSize,
                packedRows: geometry.keys, aStride: stride, cStride: strides.row),
            table, frame.memory(packedValues, as: Value.self) + keyPlane * valueStride, y,
            scale: 1)
        for row in 0..<rows.count {
            let line = y + row * strides.row
            if sums[row] == 0 {
                // Nothing is seen; values that are not finite must not show.
                line.update(repeating: 0, count: geometry.valueSize)
            } else {
                Value.scale(kernels, line, by: 1 / sums[row], geometry.valueSize)
            }
        }
    }

    /// Turns one query's products into exponentials; returns their sum, 0 if it sees no key.
    private func softmax(
        _ frame: StepFrame, _ row: UnsafeMutablePointer<Value>, end: Int, image: Int, head: Int,
        row index: Int, seen: Range<Int>
    ) -> Value {
        let copy = scores.map { slot in
            let plane = image * geometry.queryHeads + head
            return frame.memory(slot, as: Value.self)
                + (plane * geometry.queries + index) * geometry.keys
        }
        if attributes.scores == .products { copy?.update(from: row, count: geometry.keys) }
        if attributes.softcap > 0 {
            let cap = Value(attributes.softcap)
            Value.scale(kernels, row, by: 1 / cap, end)
            Value.hyperbolicTangents(kernels, row, end)
            Value.scale(kernels, row, by: cap, end)
        }
        if attributes.scores == .capped { copy?.update(from: row, count: geometry.keys) }
        mask.apply(frame, to: row, image: image, head: head, row: index, seen: seen)
        if attributes.scores == .masked, let copy {
            copy.update(repeating: -.infinity, count: geometry.keys)
            (copy + seen.lowerBound).update(from: row + seen.lowerBound, count: seen.count)
        }
        let sum = exponentials(frame, row, image: image, head: head, row: index, seen: seen)
        row.update(repeating: 0, count: sum == 0 ? end : seen.lowerBound)
        if sum != 0 { (row + seen.upperBound).update(repeating: 0, count: end - seen.upperBound) }
        if attributes.scores == .probabilities, let copy {
            copy.update(from: row, count: geometry.keys)
            if sum != 0 { Value.scale(kernels, copy, by: 1 / sum, geometry.keys) }
        }
        return sum
    }

    private func exponentials(
        _ frame: StepFrame, _ row: UnsafeMutablePointer<Value>, image: Int, head: Int,
        row index: Int, seen: Range<Int>
    ) -> Value {
        guard !seen.isEmpty else { return 0 }
        let start = row + seen.lowerBound
        let largest = Value.largest(kernels, start, seen.count)
        if attributes.zeroesMaskedRows, !largest.isFinite {
            if largest == -.infinity { return 0 }
            let isHidden = mask.hidesAll(
                frame, Value.self, image: image, head: head, row: index, seen: seen)
            if isHidden { return 0 }
        }
        return Value.exponentials(kernels, start, shift: largest, seen.count)
    }
}
