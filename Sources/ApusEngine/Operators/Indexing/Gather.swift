internal import ApusCore

/// Slices along one axis, chosen by index.
///
/// - Shapes: `data[..axis] + indices + data[axis + 1..]`. - Types: all.
/// - Source: ONNX Gather, opset 13.
struct Gather: StepOperator {
    private let axis: Int

    init(_ node: NodeReader) throws(EngineError) { axis = try node.int("axis", default: 0) }

    var movesElements: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let data = try inputs.tensor(0)
        let axis = try inputs.normalized(axis: axis, rank: data.shape.count)
        let shape = data.shape[..<axis] + (try inputs.shape(1)) + data.shape[(axis + 1)...]
        return [PlannedTensor(data.dataType, Array(shape))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let data = try builder.inputs.tensor(0)
        let axis = try builder.inputs.normalized(axis: axis, rank: data.shape.count)
        let reader = try IndexReader(builder.inputs, input: 1)
        let count = builder.outputs[0].shape.elementCount
        guard count > 0, let width = data.dataType.byteCount else { return }
        let length = data.shape[axis]
        let indexCount = try builder.inputs.shape(1).elementCount
        let inner = Array(data.shape[(axis + 1)...]).elementCount
        let blocks = count / inner
        let body = try data.dataType.visitWidth(
            GatherBody(
                reader: reader, length: length, indexCount: indexCount, blockCount: inner))
        guard let body else { throw builder.inputs.fail("elements cannot be copied") }
        builder.addParallelStep(
            count: blocks, grain: max(1, 4096 / (inner * width)), operationCount: count, body)
    }
}

private struct GatherBody: WidthVisitor {
    let reader: IndexReader
    let length: Int
    let indexCount: Int
    /// Elements that each index moves.
    let blockCount: Int

    func visit<Element: BitwiseCopyable & Sendable>(_ type: Element.Type) -> StepBody {
        let (reader, length, indexCount, size) = (reader, length, indexCount, blockCount)
        return { frame, range throws(EngineError) in
            let data = frame.input(0, as: Element.self)
            let indices = frame.rawInput(1)
            let output = frame.output(0, as: Element.self)
            for block in range {
                let index = try reader.index(indices, block % indexCount, length: length)
                let source = data + (block / indexCount * length + index) * size
                if size == 1 {
                    output[block] = source.pointee
                } else {
                    (output + block * size).update(from: source, count: size)
                }
            }
        }
    }
}

extension Gather {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let (data, indices) = (node.rows(0), node.rows(1))
        let axis = try node.normalized(axis: axis, rank: try node.shape(0).count)
        switch (data, indices) {
        case (nil, nil): return [nil]
        case (nil, .some(let rows)): return [rows.moved(to: axis + rows.axis)]
        case (.some(let rows), nil):
            guard rows.axis != axis else { throw RowMixing("selects among the rows of the batch") }
            let shift = rows.axis > axis ? try node.shape(1).count - 1 : 0
            return [rows.moved(to: rows.axis + shift)]
        case (.some(let rows), .some(let own)):
            guard case .numbers(let scale, let offsets)? = node.fact(1), rows.axis == axis,
                rows.before == 1, scale == rows.after, offsets.lowerBound >= 0,
                offsets.upperBound < rows.after
            else { throw RowMixing("looks up rows of the batch in rows of the batch") }
            // Each row finds its own elements.
            return [own.moved(to: axis + own.axis)]
        }
    }
}

extension Gather: RowFactOperator {
    func fact(through node: RowNode) throws(RowMixing) -> RowFact? {
        guard node.fact(0) == nil else { throw RowMixing("selects among positions of rows") }
        switch node.fact(1) {
        case nil: return nil
        case .numbers where node.rows(0) != nil: return nil
        case .some(let fact): throw RowMixing(fact.reason)
        }
    }
}
