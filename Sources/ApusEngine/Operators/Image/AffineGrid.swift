internal import ApusCore

/// The positions of an image's pixels under an affine map, as GridSample takes them.
///
/// - Shapes: `theta [N, rank, rank + 1]`, `size` is `[N, C, spatial]`; the result is
///   `[N, spatial, rank]`, its last dimension in the order x, y, z. - Types: floats.
/// - Source: ONNX AffineGrid, opset 20. With aligned corners a dimension of length 1 lies at 0.
struct AffineGrid: StepOperator {
    private let alignsCorners: Bool

    init(_ node: NodeReader) throws(EngineError) {
        alignsCorners = try node.flag("align_corners")
    }

    var contentInputs: [Int] { [1] }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let theta = try inputs.tensor(0)
        guard let size = try inputs.integers(1), size.count == 4 || size.count == 5,
            size.checkedElementCount != nil
        else { throw inputs.fail("the size is not [N, C, H, W] or [N, C, D, H, W]") }
        let rank = size.count - 2
        guard theta.shape == [size[0], rank, rank + 1] else {
            throw inputs.fail(
                "theta has shape \(theta.shape), expected \([size[0], rank, rank + 1])")
        }
        return [PlannedTensor(theta.dataType, [size[0]] + size[2...] + [rank])]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let output = builder.outputs[0]
        guard output.shape.elementCount > 0 else { return }
        let visitor = AffineGridBody(
            spatial: Array(output.shape[1..<output.shape.count - 1]), alignsCorners: alignsCorners)
        guard let body = try output.dataType.visitFloat(visitor) else {
            throw builder.inputs.fail("theta of type \(output.dataType) is not supported")
        }
        builder.addParallelStep(
            count: output.shape.elementCount / visitor.spatial.count, grain: 256,
            operationCount: output.shape.elementCount &* 8, body)
    }
}

private struct AffineGridBody: FloatVisitor {
    let spatial: [Int]
    let alignsCorners: Bool

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        typealias Value = Element.Value
        let (spatial, alignsCorners) = (spatial, alignsCorners)
        let rank = spatial.count
        let pixels = spatial.elementCount
        return { frame, range in
            let theta = frame.input(0, as: Element.self)
            let target = frame.output(0, as: Element.self)
            for point in range {
                let (image, pixel) = point.quotientAndRemainder(dividingBy: pixels)
                // x, y, z: the innermost dimension first.
                var coordinates = SIMD4<Double>.zero
                var rest = pixel
                for axis in (0..<rank).reversed() {
                    let length = spatial[axis]
                    let index = Double(rest % length)
                    rest /= length
                    coordinates[rank - 1 - axis] =
                        alignsCorners
                        ? (length == 1 ? 0 : index * 2 / Double(length - 1) - 1)
                        : (index * 2 + 1) / Double(length) - 1
                }
                for row in 0..<rank {
                    let matrix = theta + (image * rank + row) * (rank + 1)
                    var sum = Value.zero
                    for column in 0..<rank {
                        sum += matrix[column].value * Value(coordinates[column])
                    }
                    target[point * rank + row] = Element(storing: sum + matrix[rank].value)
                }
            }
        }
    }
}

extension AffineGrid {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.items()]
    }
}
