internal import ApusCore

/// Counts of the pool's n-grams in each row, or their weights.
///
/// The items of an n-gram stand next to each other or up to `max_skip_count` items apart, at equal
/// distances. `TF` counts; `TFIDF` adds the n-gram's weight each time; `IDF` puts its weight once.
///
/// - Shapes: `[C]` gives `[D]` and `[B, C]` gives `[B, D]`, where D is the largest of
///   `ngram_indexes` and 1. - Types: `int32`, `int64` or strings; the result is `float`.
/// - Source: ONNX TfIdfVectorizer, opset 9.
struct TfIdfVectorizer: StringOperator {
    private let pool: NgramPool

    init(_ node: NodeReader) throws(EngineError) { pool = try NgramPool(node) }

    private func output(
        _ input: PlannedTensor, _ fail: (String) -> EngineError
    ) throws(EngineError) -> PlannedTensor {
        let shape = input.shape
        guard shape.count <= 2 else {
            throw fail("the input is \(shape), expected [C] or [B, C]")
        }
        let length = pool.outputCount
        let result = shape.count == 2 ? [shape[0], length] : [length]
        guard let count = result.checkedElementCount, count <= Int.max / 8 else {
            throw fail("the result \(result) is too large")
        }
        return PlannedTensor(.float, result)
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let input = try inputs.tensor(0)
        let fits =
            pool.isOfStrings
            ? input.dataType == .string : input.dataType == .int64 || input.dataType == .int32
        guard fits else {
            throw inputs.fail(
                "the input is \(input.dataType), but the pool has "
                    + (pool.isOfStrings ? "strings" : "integers"))
        }
        return [try output(input, inputs.fail)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let shape = try builder.inputs.shape(0)
        let isWide = try builder.inputs.dataType(0) == .int64
        let pool = pool
        let rowCount = shape.count == 2 ? shape[0] : 1
        let rowLength = shape.count == 0 ? 1 : shape[shape.count - 1]
        let operationCount = rowCount &* (pool.outputCount &+ rowLength &* 100)
        builder.addParallelStep(count: rowCount, operationCount: operationCount) { frame, rows in
            var items: [Int32] = []
            items.reserveCapacity(rowLength)
            for row in rows {
                items.removeAll(keepingCapacity: true)
                for index in row * rowLength..<(row + 1) * rowLength {
                    let number =
                        isWide
                        ? frame.input(0, as: Int64.self)[index]
                        : Int64(frame.input(0, as: Int32.self)[index])
                    items.append(pool.item(number))
                }
                let y = frame.output(0, as: Float.self) + row * pool.outputCount
                y.update(repeating: 0, count: pool.outputCount)
                pool.count(items, into: y) { frame.isCancelled }
            }
        }
    }

    func evaluateStrings(
        _ inputs: [Tensor?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        guard let input = inputs.first ?? nil, let words = input.strings, pool.isOfStrings else {
            throw context.fail("the input is strings, but the pool has integers")
        }
        let planned = try output(PlannedTensor(.string, input.shape), context.fail)
        let count = planned.shape.elementCount
        let rowCount = input.shape.count == 2 ? input.shape[0] : 1
        let rowLength = rowCount == 0 ? 0 : words.count / rowCount
        let pool = pool
        return [
            .tensor(
                try context.naming {
                    let bytes = try TensorBytes(byteCount: count * 4) { memory in
                        let y = memory.bindMemory(to: Float.self)
                        y.update(repeating: 0)
                        guard let start = y.baseAddress else { return }
                        for row in 0..<rowCount {
                            let items = words[row * rowLength..<(row + 1) * rowLength].map {
                                pool.item($0)
                            }
                            pool.count(items, into: start + row * pool.outputCount) {
                                context.session.cancellation?.isStopped == true
                            }
                            try context.checkCancelled()
                        }
                    }
                    return try Tensor(dataType: .float, shape: planned.shape, bytes: bytes)
                })
        ]
    }
}

extension TfIdfVectorizer {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.featureRows()]
    }
}

extension TfIdfVectorizer: RowFactOperator {
    /// What fills rows up is not counted if no n-gram has it: it stands at the end.
    func fact(through node: RowNode) throws(RowMixing) -> RowFact? {
        guard let fact = node.fact(0) else { return nil }
        guard case .padded(let text) = fact, !pool.has(text) else { throw RowMixing(fact.reason) }
        return nil
    }
}
