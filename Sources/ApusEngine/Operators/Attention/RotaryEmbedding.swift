internal import ApusCore

/// Rotates pairs of each head's elements by angles that depend on the position.
///
/// - Shapes: `X [N, heads, L, size]`, or `[N, L, heads * size]`; `cos_cache` and `sin_cache` are
///   `[positions, half]` where `position_ids [N, L]` picks the rows, else `[N, L, half]`. The result
///   has the shape of `X`. - Types: floats; half precision computes in `float`.
/// - Throws: at run, if a position is out of range.
/// - Source: ONNX RotaryEmbedding, opset 23; Su et al. 2021, "RoFormer", section 3.2.
struct RotaryEmbedding: StepOperator {
    private let heads: Int
    private let rotated: Int
    private let isInterleaved: Bool

    init(_ node: NodeReader) throws(EngineError) {
        heads = try node.int("num_heads", default: 0)
        rotated = try node.int("rotary_embedding_dim", default: 0)
        isInterleaved = try node.flag("interleaved")
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        _ = try geometry(inputs)
        for index in 1...2 where try inputs.dataType(index) != source.dataType {
            throw inputs.fail(
                "input \(index) is \(try inputs.dataType(index)), X is \(source.dataType)")
        }
        return [source]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.tensor(0)
        let count = source.shape.elementCount
        guard count > 0 else { return }
        let visitor = RotationBody(
            geometry: try geometry(builder.inputs), isInterleaved: isInterleaved,
            inputs: builder.inputs)
        guard let body = try source.dataType.visitFloat(visitor) else {
            throw builder.inputs.fail("elements of type \(source.dataType) are not supported")
        }
        builder.addParallelStep(
            count: count / visitor.geometry.size, grain: 8, operationCount: count &* 4, body)
    }

    private func geometry(_ inputs: PlanInputs) throws(EngineError) -> RotationGeometry {
        let shape = try inputs.shape(0)
        let isPacked = shape.count != 4
        let size = isPacked ? try inputs.headSize(shape, heads: heads) : shape[3]
        let geometry = RotationGeometry(
            batch: shape[0], heads: isPacked ? heads : shape[1],
            rows: isPacked ? shape[1] : shape[2], size: size,
            half: (rotated == 0 ? size : rotated) / 2,
            strides: HeadStrides(shape, heads: isPacked ? heads : shape[1]),
            cacheRows: inputs.has(3) ? try inputs.shape(1).first ?? 0 : nil)
        guard rotated >= 0, rotated <= size, (rotated == 0 ? size : rotated) % 2 == 0 else {
            throw inputs.fail("\(rotated == 0 ? size : rotated) of \(size) elements cannot rotate")
        }
        let positions = [geometry.batch, geometry.rows]
        let expected = (geometry.cacheRows.map { [$0] } ?? positions) + [geometry.half]
        for index in 1...2 where try inputs.shape(index) != expected {
            throw inputs.fail(
                "input \(index) has shape \(try inputs.shape(index)), expected \(expected)")
        }
        if inputs.has(3) {
            let ids = try inputs.tensor(3)
            guard ids.dataType == .int64, ids.shape == positions else {
                throw inputs.fail(
                    "position_ids \(ids.dataType)\(ids.shape) are not int64\(positions)")
            }
        }
        return geometry
    }
}

/// The sizes of a rotation.
private struct RotationGeometry: Sendable {
    let batch: Int
    let heads: Int
    let rows: Int
    let size: Int
    /// Pairs that rotate.
    let half: Int
    let strides: HeadStrides
    /// Rows of angles that positions pick from; nil if every position has its own.
    let cacheRows: Int?
}

private struct RotationBody: FloatVisitor {
    let geometry: RotationGeometry
    let isInterleaved: Bool
    let inputs: PlanInputs

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let (geometry, inputs) = (geometry, inputs)
        let half = geometry.half
        let (first, second) = isInterleaved ? (2, 1) : (1, half)
        return { frame, range throws(EngineError) in
            for unit in range {
                let (position, head) = unit.quotientAndRemainder(dividingBy: geometry.heads)
                let (image, row) = position.quotientAndRemainder(dividingBy: geometry.rows)
                var angle = position
                if let cacheRows = geometry.cacheRows {
                    let id = frame.input(3, as: Int64.self)[position]
                    guard id >= 0, id < cacheRows else {
                        throw inputs.fail("position \(id) is out of range for \(cacheRows) rows")
                    }
                    angle = Int(id)
                }
                let offset =
                    image * geometry.strides.batch + head * geometry.strides.head
                    + row * geometry.strides.row
                let x = frame.input(0, as: type) + offset
                let y = frame.output(0, as: type) + offset
                let cosines = frame.input(1, as: type) + angle * half
                let sines = frame.input(2, as: type) + angle * half
                for pair in 0..<half {
                    let (a, b) = (x[pair * first].value, x[pair * first + second].value)
                    let (cosine, sine) = (cosines[pair].value, sines[pair].value)
                    y[pair * first] = Element(storing: cosine * a - sine * b)
                    y[pair * first + second] = Element(storing: sine * a + cosine * b)
                }
                (y + 2 * half).update(from: x + 2 * half, count: geometry.size - 2 * half)
            }
        }
    }
}

extension RotaryEmbedding {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        var batched: Set = [3]
        // Tables that positions index have two dimensions, and are the same for all rows.
        for index in 1...2 where try node.shape(index).count == 3 { batched.insert(index) }
        return [try node.items(alsoBatched: batched)]
    }
}
