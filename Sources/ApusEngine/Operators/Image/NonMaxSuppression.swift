internal import ApusCore

/// The boxes that remain when boxes that overlap one with a higher score are dropped, per image and
/// class: highest score first, of equal scores the box with the lower index, NaN last.
///
/// - Shapes: `boxes [N, B, 4]`, `scores [N, C, B]`; the result is `[count, 3]`: image, class, box.
/// - Types: `float`; the result is `int64`.
/// - Source: ONNX NonMaxSuppression, opset 11.
struct NonMaxSuppression: ValueOperator {
    private let isCentered: Bool

    init(_ node: NodeReader) throws(EngineError) { isCentered = try node.flag("center_point_box") }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let boxes = try context.tensor(inputs, 0)
        let scores = try context.tensor(inputs, 1)
        guard boxes.dataType == .float, scores.dataType == .float, boxes.shape.count == 3,
            scores.shape.count == 3, boxes.shape[2] == 4, boxes.shape[0] == scores.shape[0],
            boxes.shape[1] == scores.shape[2]
        else {
            throw context.fail(
                "boxes \(boxes.dataType)\(boxes.shape) and scores "
                    + "\(scores.dataType)\(scores.shape) are not float[N, B, 4] and float[N, C, B]")
        }
        let limit = max(try context.integer(inputs, 2) ?? 0, 0)
        let overlap = try threshold(inputs, 3, context) ?? 0
        let lowest = try threshold(inputs, 4, context)
        let (classes, count) = (scores.shape[1], scores.shape[2])
        try context.reserve(count: boxes.elementCount + 3 * scores.elementCount, byteCount: 16)
        let reservation = MemoryReservation()
        let allCorners = boxes.elements(as: Float.self)
        let allScores = scores.elements(as: Float.self)
        var selected: [Int64] = []
        // Without boxes there may be any number of images, and of classes.
        for image in 0..<(limit > 0 && count > 0 ? boxes.shape[0] : 0) {
            let corners = (0..<count).map { box in
                Corners(allCorners[((image * count + box) * 4)...], isCentered: isCentered)
            }
            for label in 0..<classes {
                let first = (image * classes + label) * count
                let kept = try select(
                    corners, allScores[first..<first + count], limit, overlap, lowest, context)
                for box in kept { selected += [Int64(image), Int64(label), Int64(box)] }
                // An array that grows is up to twice as large as what it holds.
                let byteCount = kept.count * 3 * 16
                try context.naming { try reservation.grow(by: byteCount) }
            }
        }
        return [try context.make(.int64, [selected.count / 3, 3], selected)]
    }

    private func threshold(
        _ inputs: [Value?], _ index: Int, _ context: EvaluationContext
    ) throws(EngineError) -> Float? {
        guard index < inputs.count, inputs[index] != nil else { return nil }
        let tensor = try context.tensor(inputs, index)
        guard tensor.dataType == .float, tensor.elementCount <= 1 else {
            throw context.fail("input \(index) must be one float")
        }
        return tensor.elements(as: Float.self).first
    }

    private func select(
        _ corners: [Corners], _ scores: ArraySlice<Float>, _ limit: Int, _ overlap: Float,
        _ lowest: Float?, _ context: EvaluationContext
    ) throws(EngineError) -> [Int] {
        let scores = Array(scores)
        var order = scores.indices.filter { box in lowest.map { scores[box] > $0 } ?? true }
        try context.sort(&order) { a, b in
            let (p, q) = (scores[a], scores[b])
            if p.isNaN || q.isNaN { return p.isNaN == q.isNaN ? a < b : q.isNaN }
            return p == q ? a < b : p > q
        }
        var kept: [Int] = []
        var boxes: [Corners] = []
        for (position, box) in order.enumerated() {
            if position % 64 == 0 { try context.checkCancelled() }
            let candidate = corners[box]
            if boxes.contains(where: { candidate.overlaps($0, above: overlap) }) { continue }
            kept.append(box)
            boxes.append(candidate)
            if kept.count == limit { break }
        }
        return kept
    }
}

/// A box by its lowest and highest coordinates.
private struct Corners {
    private let left: Float
    private let top: Float
    private let right: Float
    private let bottom: Float
    private let area: Float

    /// - Parameter box: `y1, x1, y2, x2`, of either diagonal, or the centre, width and height.
    init(_ box: ArraySlice<Float>, isCentered: Bool) {
        let at = box.startIndex
        let (a, b, c, d) = (box[at], box[at + 1], box[at + 2], box[at + 3])
        if isCentered {
            (left, right) = (a - c / 2, a + c / 2)
            (top, bottom) = (b - d / 2, b + d / 2)
        } else {
            (left, right) = b >= d ? (d, b) : (b, d)
            (top, bottom) = a >= c ? (c, a) : (a, c)
        }
        area = (right - left) * (bottom - top)
    }

    /// Whether intersection over union is above `threshold`.
    func overlaps(_ other: Corners, above threshold: Float) -> Bool {
        let width = min(right, other.right) - max(left, other.left)
        let height = min(bottom, other.bottom) - max(top, other.top)
        guard width > 0, height > 0 else { return false }
        let intersection = width * height
        let union = area + other.area - intersection
        guard intersection > 0, area > 0, other.area > 0, union > 0 else { return false }
        return intersection / union > threshold
    }
}
