internal import ApusCore

/// The largest element of each bin of regions of an image; 0 for a bin outside of it.
///
/// - Shapes: `X [N, C, H, W]`, `rois [R, 5]` as `image, x1, y1, x2, y2`; the result is
///   `[R, C, pooled_shape]`. - Types: floats.
/// - Throws: at run, if a region's image is out of range.
/// - Source: ONNX MaxRoiPool, opset 22; Girshick 2015, "Fast R-CNN", section 2.1. Corners round to
///   the nearest pixel, halves away from zero.
struct MaxRoiPool: StepOperator {
    private let pooled: [Int]
    private let scale: Float

    init(_ node: NodeReader) throws(EngineError) {
        pooled = try node.ints("pooled_shape") ?? []
        scale = try node.float("spatial_scale", default: 1)
        guard pooled.count == 2, pooled.allSatisfy({ $0 >= 1 && $0 <= 1 << 30 }) else {
            throw node.fail("pooled_shape is \(pooled), expected two lengths of 1 or more")
        }
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let (image, regions) = (try inputs.tensor(0), try inputs.tensor(1))
        guard image.shape.count == 4, regions.shape.count == 2, regions.shape[1] == 5,
            regions.dataType == image.dataType
        else {
            throw inputs.fail(
                "X \(image.dataType)\(image.shape) and rois \(regions.dataType)\(regions.shape) "
                    + "do not fit each other")
        }
        return [
            PlannedTensor(image.dataType, [regions.shape[0], image.shape[1]] + pooled)
        ]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let image = try builder.inputs.tensor(0)
        let output = builder.outputs[0].shape
        guard output.elementCount > 0 else { return }
        guard image.shape[2] < 1 << 30, image.shape[3] < 1 << 30 else {
            throw builder.inputs.fail("an image of shape \(image.shape) is too large")
        }
        let visitor = MaxRoiPoolBody(
            image: image.shape, pooled: pooled, scale: scale, inputs: builder.inputs)
        guard let body = try image.dataType.visitFloat(visitor) else {
            throw builder.inputs.fail("elements of type \(image.dataType) are not supported")
        }
        builder.addParallelStep(
            count: output[0] * pooled[0] * pooled[1],
            operationCount: output[0] &* image.shape[1] &* image.shape[2] &* image.shape[3], body)
    }
}

private struct MaxRoiPoolBody: FloatVisitor {
    let image: Shape
    let pooled: [Int]
    let scale: Float
    let inputs: PlanInputs

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let work = self
        let bins = pooled[0] * pooled[1]
        return { frame, range throws(EngineError) in
            let (channels, width) = (work.image[1], work.image[3])
            let pixels = work.image[2] * width
            for unit in range {
                let (region, bin) = unit.quotientAndRemainder(dividingBy: bins)
                let box = frame.input(1, as: Element.self) + region * 5
                let number = box[0].value.asDouble.rounded(.towardZero)
                guard number >= 0, number < Double(work.image[0]) else {
                    throw work.inputs.fail(
                        "a region is of image \(number), there are \(work.image[0])")
                }
                let rows = work.pixels(box[2].value, box[4].value, bin / work.pooled[1], 0)
                let columns = work.pixels(box[1].value, box[3].value, bin % work.pooled[1], 1)
                for channel in 0..<channels {
                    let plane =
                        frame.input(0, as: Element.self)
                        + (Int(number) * channels + channel) * pixels
                    var best = rows.isEmpty || columns.isEmpty ? 0 : Element.Value.lowest
                    for row in rows {
                        for column in columns {
                            best = .larger(best, plane[row * width + column].value)
                        }
                    }
                    frame.output(0, as: Element.self)[(region * channels + channel) * bins + bin] =
                        Element(storing: best)
                }
            }
        }
    }

    /// The pixels of a bin along one spatial dimension.
    private func pixels<Value: FloatMath>(
        _ from: Value, _ to: Value, _ bin: Int, _ dimension: Int
    ) -> Range<Int> {
        let start = Self.rounded(from * Value(scale))
        let end = Self.rounded(to * Value(scale))
        let size = Double(max(end - start + 1, 1)) / Double(pooled[dimension])
        let length = image[dimension + 2]
        let first = start + Int((Double(bin) * size).rounded(.down))
        let last = start + Int((Double(bin + 1) * size).rounded(.up))
        let low = min(max(first, 0), length)
        return low..<max(min(max(last, 0), length), low)
    }

    /// The nearest pixel; far outside of all images where the number is too large, or NaN.
    private static func rounded<Value: FloatMath>(_ value: Value) -> Int {
        let limit = Double(1 << 31)
        let number = value.asDouble
        return number.isNaN
            ? -(1 << 31)
            : Int(min(max(number.rounded(.toNearestOrAwayFromZero), -limit), limit))
    }
}
