internal import ApusCore

/// Each text cut at a delimiter, or at white space of any length.
///
/// - Shapes: `[...]` gives the parts as `[..., D]`, where D is the number of parts of the text that
///   has most (the others are filled up with empty strings), and their counts as `[...]`.
/// - Types: strings; the counts are `int64`.
/// - Source: ONNX StringSplit, opset 20. White space is what Unicode calls so; it is also cut off at
///   both ends.
struct StringSplit: ValueOperator {
    /// Empty for white space.
    private let delimiter: [UInt8]
    private let cutCountMax: Int

    init(_ node: NodeReader) throws(EngineError) {
        delimiter = try node.bytes("delimiter") ?? []
        let limit = try node.int("maxsplit", default: -1)
        cutCountMax = limit < 0 ? Int.max : limit
    }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let input = try context.tensor(inputs, 0)
        guard let texts = input.strings else { throw context.fail("input 0 must be strings") }
        // Every character may be a part.
        try context.reserve(
            count: texts.reduce(0) { $0 + $1.count + 1 }, byteCount: MemoryLayout<Range<Int>>.stride
        )
        let parts = try context.map(texts) { text throws(EngineError) in
            try text.withUnsafeBufferPointer { text throws(EngineError) in
                try delimiter.isEmpty ? splitAtSpaces(text) : splitAtDelimiter(text, context)
            }
        }
        let width = parts.reduce(0) { max($0, $1.count) }
        let (count, overflow) = texts.count.multipliedReportingOverflow(by: width)
        guard !overflow else { throw context.fail("its texts have too many parts") }
        try context.reserve(count: count, byteCount: 8)
        try context.reserve(
            byteCount: parts.reduce(0) { total, ranges in
                total + ranges.reduce(0) { $0 + Tensor.heldByteCount(ofString: $1.count) }
            })
        var result: [[UInt8]] = []
        result.reserveCapacity(count)
        for (text, ranges) in zip(texts, parts) {
            try context.checkCancelled()
            for range in ranges { result.append(Array(text[range])) }
            for _ in ranges.count..<width { result.append([]) }
        }
        return [
            try context.make(input.shape + [width], strings: result),
            try context.make(.int64, input.shape, parts.map { Int64($0.count) }),
        ]
    }

    private func splitAtDelimiter(
        _ text: UnsafeBufferPointer<UInt8>, _ context: EvaluationContext
    ) throws(EngineError) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var start = 0
        var index = 0
        // A long delimiter may be compared nearly to its end at each place.
        let interval = max((1 << 20) / delimiter.count, 1)
        var placesToCheck = interval
        while index + delimiter.count <= text.count, result.count < cutCountMax {
            placesToCheck -= 1
            if placesToCheck == 0 {
                placesToCheck = interval
                try context.checkCancelled()
            }
            if text[index..<index + delimiter.count].elementsEqual(delimiter) {
                result.append(start..<index)
                index += delimiter.count
                start = index
            } else {
                index += 1
            }
        }
        result.append(start..<text.count)
        return result
    }

    private func splitAtSpaces(_ text: UnsafeBufferPointer<UInt8>) -> [Range<Int>] {
        var words: [Range<Int>] = []
        var index = 0
        var isInside = false
        while index < text.count {
            let (scalar, byteCount) = UTF8Scalars.decode(text, at: index)
            let isSpace = Unicode.Scalar(scalar)?.properties.isWhitespace ?? false
            if !isSpace, isInside {
                words[words.count - 1] = words[words.count - 1].lowerBound..<index + byteCount
            } else if !isSpace {
                words.append(index..<index + byteCount)
            }
            isInside = !isSpace
            index += byteCount
        }
        guard words.count - 1 > cutCountMax, let last = words.last else { return words }
        let rest = words[cutCountMax].lowerBound..<last.upperBound
        return words[..<cutCountMax] + [rest]
    }
}
