internal import ApusCore

/// Each row of scores as a map from labels to scores: a sequence of maps.
///
/// - Shapes: `[N, C]`, or `[C]` as one row. - Source: ai.onnx.ml ZipMap, version 1.
struct ZipMap: ValueOperator {
    private let keys: Tensor

    init(_ node: NodeReader) throws(EngineError) {
        let numbers = (try node.ints("classlabels_int64s") ?? []).map { Int64($0) }
        let texts = try node.strings("classlabels_strings") ?? []
        guard numbers.isEmpty != texts.isEmpty else {
            throw node.fail(
                "one of \"classlabels_int64s\" and \"classlabels_strings\" must give labels")
        }
        keys = try node.making {
            numbers.isEmpty
                ? try Tensor(shape: [texts.count], strings: texts)
                : try Tensor(.int64, [numbers.count], numbers)
        }
    }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let scores = try context.tensor(inputs, 0)
        let count = keys.elementCount
        guard scores.dataType == .float, scores.shape.count == 1 || scores.shape.count == 2,
            scores.shape.last == count
        else {
            throw context.fail(
                "the scores are \(scores.dataType) \(scores.shape), expected float [N, \(count)]")
        }
        let rowCount = scores.shape.count == 1 ? 1 : scores.shape[0]
        try context.reserve(count: rowCount, byteCount: 256)
        var maps: [Value] = []
        maps.reserveCapacity(rowCount)
        let rows = try context.naming { try scores.reshaped(to: [rowCount, count]) }
        for row in 0..<rowCount {
            let values = try context.naming {
                try rows.rows(row..<row + 1).reshaped(to: [count])
            }
            maps.append(.map(keys: keys, values: values))
        }
        return [
            .sequence(maps, element: .map(key: keys.dataType, value: .tensor(.float)))
        ]
    }
}
