internal import ApusCore

/// Elements of the last dimension, by index.
///
/// - Shapes: `[..., C]` and K indices give `[..., K]`; `[C]` gives `[1, K]`. - Types: all.
/// - Throws: at run time for an index that is not in `0..<C`.
/// - Source: ai.onnx.ml ArrayFeatureExtractor, version 1.
struct ArrayFeatureExtractor: StepOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    var movesElements: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        guard !source.shape.isEmpty, try inputs.dataType(1) == .int64 else {
            throw inputs.fail("takes features and indices of int64")
        }
        let count = try inputs.shape(1).elementCount
        var shape = source.shape.count == 1 ? [1] : Array(source.shape.dropLast())
        shape.append(count)
        return [PlannedTensor(source.dataType, shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.tensor(0)
        let count = builder.outputs[0].shape.last ?? 0
        let visitor = ExtractorBody(
            inputs: builder.inputs, length: source.shape.last ?? 0, count: count)
        guard let body = try source.dataType.visitWidth(visitor) else {
            throw builder.inputs.fail("elements of type \(source.dataType) are not supported")
        }
        let total = builder.outputs[0].shape.elementCount
        builder.addParallelStep(count: total, grain: 1024, operationCount: total, body)
    }
}

private struct ExtractorBody: WidthVisitor {
    let inputs: PlanInputs
    let length: Int
    let count: Int

    func visit<Element: BitwiseCopyable & Sendable>(_ type: Element.Type) -> StepBody {
        let (inputs, length, count) = (inputs, length, count)
        return { frame, range throws(EngineError) in
            let x = frame.input(0, as: Element.self)
            let indices = frame.input(1, as: Int64.self)
            let y = frame.output(0, as: Element.self)
            for i in range {
                let index = Int(indices[i % count])
                guard index >= 0, index < length else {
                    throw inputs.fail("index \(index) is not in 0..<\(length)")
                }
                y[i] = x[i / count * length + index]
            }
        }
    }
}

extension ArrayFeatureExtractor {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let shape = try node.shape(0)
        guard let own = node.rows(1) else {
            guard shape.count == 2 || node.rows(0) == nil else {
                throw RowMixing("selects by its last axis")
            }
            return [try node.lines(along: [shape.count - 1], doing: "selects among")]
        }
        guard node.rows(0) == nil else {
            throw RowMixing("looks up rows of the batch in rows of the batch")
        }
        // All indices, flattened, lie along the last axis of the result.
        let rows = try RowNode.reshaped(
            own, from: try node.shape(1), to: [try node.shape(1).elementCount],
            rowCount: node.rowCount)
        return [rows.moved(to: node.outputShape.count - 1)]
    }
}
