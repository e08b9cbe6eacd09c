internal import ApusCore

/// Features of several inputs side by side, each cut or filled up with zeros to its dimension.
///
/// - Shapes: `[N, C]` (or `[C]`) each; the result is `[N, Σ inputdimensions]` of `float`.
/// - Source: ai.onnx.ml FeatureVectorizer, version 1.
struct FeatureVectorizer: StepOperator {
    private let lengths: [Int]

    init(_ node: NodeReader) throws(EngineError) {
        lengths = try node.ints("inputdimensions") ?? []
        guard lengths.count == node.inputCount, !lengths.isEmpty,
            lengths.allSatisfy({ $0 >= 0 && $0 <= 1 << 30 })
        else {
            throw node.fail(
                "attribute \"inputdimensions\" must give \(node.inputCount) lengths in 0...2^30")
        }
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        var rowCount: Int?
        for index in 0..<inputs.count {
            let shape = try inputs.shape(index)
            let count = shape.count < 2 ? 1 : shape[0]
            guard shape.count <= 2, rowCount ?? count == count else {
                throw inputs.fail("input \(index) has shape \(shape), expected [N, C]")
            }
            rowCount = count
        }
        return [PlannedTensor(.float, [rowCount ?? 1, lengths.reduce(0, +)])]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let width = builder.outputs[0].shape[1]
        var start = 0
        for (index, length) in lengths.enumerated() {
            let input = try builder.inputs.tensor(index)
            let visitor = VectorizerBody(
                input: index, columnCount: input.shape.last ?? 1, start: start, length: length,
                width: width)
            guard let body = try input.dataType.visitNumber(visitor) else {
                throw builder.inputs.fail("input \(index) is \(input.dataType), no numbers")
            }
            let rowCount = builder.outputs[0].shape[0]
            builder.addParallelStep(
                count: rowCount, grain: 16, operationCount: rowCount &* length, body)
            start += length
        }
    }
}

private struct VectorizerBody: NumberVisitor {
    let input: Int
    let columnCount: Int
    let start: Int
    let length: Int
    let width: Int

    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        let (input, columnCount, start, length, width) = (input, columnCount, start, length, width)
        return { frame, range in
            let x = frame.input(input, as: Element.self)
            let y = frame.output(0, as: Float.self)
            for row in range {
                let target = y + row * width + start
                let source = x + row * columnCount
                for i in 0..<length {
                    target[i] = i < columnCount ? Float.converted(from: source[i].value) : 0
                }
            }
        }
    }
}

extension FeatureVectorizer {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        for index in node.inputRows.indices where node.inputRows[index] != nil {
            guard try node.shape(index).count == 2 else {
                throw RowMixing("takes rows as features")
            }
        }
        return [try node.concatenated(along: 1)]
    }
}
