internal import ApusCore

/// A vector per element with a 1 at its category's place; all zeros for an element that is none of
/// them, or an error where `zeros` is 0.
///
/// - Shapes: the input's, with the number of categories as a new last dimension.
/// - Types: numbers (cut to integers) or strings; the result is `float`.
/// - Source: ai.onnx.ml OneHotEncoder, version 1.
struct OneHotEncoder: StringOperator {
    private let numbers: [Int64: Int]
    private let strings: [[UInt8]: Int]
    private let count: Int
    private let allowsUnknown: Bool

    init(_ node: NodeReader) throws(EngineError) {
        let integers = try node.ints("cats_int64s") ?? []
        let texts = try node.strings("cats_strings") ?? []
        guard integers.isEmpty != texts.isEmpty else {
            throw node.fail("one of \"cats_int64s\" and \"cats_strings\" must give categories")
        }
        numbers = .init(
            integers.enumerated().map { (Int64($1), $0) }, uniquingKeysWith: { $1 })
        strings = .init(texts.enumerated().map { ($1, $0) }, uniquingKeysWith: { $1 })
        count = max(integers.count, texts.count)
        allowsUnknown = try node.flag("zeros", default: true)
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let input = try inputs.tensor(0)
        guard input.dataType == .string || !numbers.isEmpty else {
            throw inputs.fail("the input is \(input.dataType), but the categories are strings")
        }
        return [PlannedTensor(.float, input.shape + [count])]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let input = try builder.inputs.tensor(0)
        guard let reader = try input.dataType.visitNumber(ReaderOfDoubles()) else {
            throw builder.inputs.fail("elements of type \(input.dataType) are not supported")
        }
        let (numbers, count, allowsUnknown) = (numbers, count, allowsUnknown)
        let inputs = builder.inputs
        let elementCount = input.shape.elementCount
        let isInt64 = input.dataType == .int64
        builder.addParallelStep(
            count: elementCount, grain: 64, operationCount: elementCount &* (count &+ 20)
        ) { frame, range throws(EngineError) in
            let x = frame.rawInput(0)
            let y = frame.output(0, as: Float.self)
            for i in range {
                let row = y + i * count
                row.update(repeating: 0, count: count)
                let element = reader(x, i)
                let number =
                    isInt64
                    ? x.assumingMemoryBound(to: Int64.self)[i] : Int64(fromDouble: element)
                if !element.isNaN, let category = numbers[number] {
                    row[category] = 1
                } else if !allowsUnknown {
                    throw inputs.fail("\(element) is none of the categories")
                }
            }
        }
    }

    func evaluateStrings(
        _ inputs: [Tensor?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        guard let input = inputs.first ?? nil, let elements = input.strings else {
            throw context.fail("input 0 must be strings")
        }
        try context.reserve(count: elements.count, byteCount: count * 4)
        var values = [Float](repeating: 0, count: elements.count * count)
        for (index, element) in elements.enumerated() {
            try context.checkCancelled()
            if let category = strings[element] {
                values[index * count + category] = 1
            } else if !allowsUnknown {
                throw context.fail(
                    "\"\(String(decoding: element, as: UTF8.self))\" is none of the categories")
            }
        }
        return [try context.make(.float, input.shape + [count], values)]
    }
}

extension OneHotEncoder {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [node.rows(0)]
    }
}
