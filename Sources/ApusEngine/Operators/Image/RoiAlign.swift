internal import ApusCore

/// Regions of an image, each divided into bins, each bin the average (or largest) of interpolated
/// samples.
///
/// - Shapes: `X [N, C, H, W]`, `rois [R, 4]` as `x1, y1, x2, y2`, `batch_indices [R]`; the result is
///   `[R, C, output_height, output_width]`.
/// - Types: floats; half precision computes in `float`.
/// - Throws: at run, if a batch index is out of range.
/// - Source: ONNX RoiAlign, opset 22. In the mode `max` the largest weighted corner of all samples
///   counts; samples outside of the image are 0.
struct RoiAlign: StepOperator {
    private let height: Int
    private let width: Int
    private let ratio: Int
    private let scale: Float
    private let isHalfPixel: Bool
    private let takesLargest: Bool

    init(_ node: NodeReader) throws(EngineError) {
        height = try node.int("output_height", default: 1)
        width = try node.int("output_width", default: 1)
        ratio = try node.int("sampling_ratio", default: 0)
        scale = try node.float("spatial_scale", default: 1)
        guard height >= 1, width >= 1, ratio >= 0, ratio <= 65536 else {
            throw node.fail(
                "output_height \(height), output_width \(width) and sampling_ratio \(ratio) must "
                    + "be 1 or more, 1 or more, and in 0...65536")
        }
        let mode = try node.string("mode", default: "avg").lowercased()
        guard mode == "avg" || mode == "max" else {
            throw node.fail("mode \"\(mode)\" is not avg or max")
        }
        takesLargest = mode == "max"
        let coordinates = try node.string(
            "coordinate_transformation_mode",
            default: node.opsetVersion < 16 ? "output_half_pixel" : "half_pixel"
        ).lowercased()
        guard coordinates == "half_pixel" || coordinates == "output_half_pixel" else {
            throw node.fail(
                "coordinate_transformation_mode \"\(coordinates)\" is not half_pixel or "
                    + "output_half_pixel")
        }
        isHalfPixel = coordinates == "half_pixel"
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let (image, regions) = (try inputs.tensor(0), try inputs.tensor(1))
        let indices = try inputs.tensor(2)
        guard image.shape.count == 4, regions.shape.count == 2, regions.shape[1] == 4,
            indices.shape == [regions.shape[0]], indices.dataType == .int64,
            regions.dataType == image.dataType
        else {
            throw inputs.fail(
                "X \(image.dataType)\(image.shape), rois \(regions.dataType)\(regions.shape) and "
                    + "batch_indices \(indices.dataType)\(indices.shape) do not fit each other")
        }
        let output = [regions.shape[0], image.shape[1], height, width]
        return [PlannedTensor(image.dataType, output)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let image = try builder.inputs.tensor(0)
        let output = builder.outputs[0].shape
        guard output.elementCount > 0 else { return }
        guard image.shape.elementCount > 0, image.shape[2] < 1 << 30, image.shape[3] < 1 << 30
        else {
            throw builder.inputs.fail("an image of shape \(image.shape) cannot be sampled")
        }
        let visitor = RoiAlignBody(
            image: image.shape, height: height, width: width, ratio: ratio, scale: scale,
            isHalfPixel: isHalfPixel, takesLargest: takesLargest, inputs: builder.inputs)
        guard let body = try image.dataType.visitFloat(visitor) else {
            throw builder.inputs.fail("elements of type \(image.dataType) are not supported")
        }
        try builder.checkScratch(visitor.scratchByteCount)
        builder.addParallelStep(
            count: output[0] * height * width, scratchByteCount: visitor.scratchByteCount,
            operationCount: output.elementCount &* max(ratio * ratio, 4) &* 8, body)
    }
}

/// One sample along one dimension: two pixels and their weights.
private struct RoiSample<Value: FloatMath> {
    let low: Int
    let high: Int
    let lowWeight: Value
    let highWeight: Value
}

/// A region along one dimension.
private struct RoiAxis<Value: FloatMath> {
    private let start: Value
    private let bin: Value
    /// Samples per bin, inside the image or not.
    let samples: Value
    private let length: Int
    private let ratio: Int

    /// - Parameter bins: how many bins the region is divided into.
    init(
        from start: Value, to end: Value, bins: Int, length: Int, ratio: Int, isHalfPixel: Bool
    ) {
        let extent = isHalfPixel ? end - start : max(end - start, 1)
        self.start = start
        self.length = length
        self.ratio = ratio
        bin = extent / Value(bins)
        samples = ratio > 0 ? Value(ratio) : bin.rounded(.up)
    }

    /// The most samples of a bin that lie in the image: without a ratio they are half a pixel apart
    /// or more.
    static func countMax(length: Int, ratio: Int) -> Int { ratio > 0 ? ratio : 2 * length + 8 }

    /// Writes the samples of a bin that lie in the image; returns how many.
    func fill(_ target: UnsafeMutablePointer<RoiSample<Value>>, bin index: Int) -> Int {
        guard samples >= 1, samples.isFinite else { return 0 }
        let base = start + Value(index) * bin
        let step = bin / samples
        var first = Value.zero
        if ratio == 0 { first = max(((-1 - base) / step).rounded(.down) - 1, 0) }
        guard first.isFinite else { return 0 }
        var count = 0
        let most = Self.countMax(length: length, ratio: ratio)
        for offset in 0..<most {
            let position = first + Value(offset)
            guard position < samples else { break }
            var x = base + (position + 0.5) * bin / samples
            guard x >= -1, x <= Value(length) else { continue }
            x = max(x, 0)
            let low = min(Int(x), length - 1)
            let isLast = low == length - 1
            let weight = isLast ? 0 : x - Value(low)
            target[count] = RoiSample(
                low: low, high: isLast ? low : low + 1, lowWeight: 1 - weight, highWeight: weight)
            count += 1
        }
        return count
    }
}

private struct RoiAlignBody: FloatVisitor {
    let image: Shape
    let height: Int
    let width: Int
    let ratio: Int
    let scale: Float
    let isHalfPixel: Bool
    let takesLargest: Bool
    let inputs: PlanInputs

    /// Samples of one bin, rows then columns.
    var scratchByteCount: Int {
        let stride = MemoryLayout<RoiSample<Double>>.stride
        return stride
            * (RoiAxis<Double>.countMax(length: image[2], ratio: ratio)
                + RoiAxis<Double>.countMax(length: image[3], ratio: ratio))
    }

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        typealias Value = Element.Value
        let (work, bins) = (self, height * width)
        return { frame, range throws(EngineError) in
            let regions = frame.input(1, as: Element.self)
            let rows = frame.scratch(as: RoiSample<Value>.self)
            let columns = rows + RoiAxis<Value>.countMax(length: work.image[2], ratio: work.ratio)
            for unit in range {
                let (region, bin) = unit.quotientAndRemainder(dividingBy: bins)
                let image = frame.input(2, as: Int64.self)[region]
                guard image >= 0, image < work.image[0] else {
                    throw work.inputs.fail(
                        "batch index \(image) is out of range for \(work.image[0]) images")
                }
                let box = regions + region * 4
                let y: RoiAxis<Value> = work.axis(box[1].value, box[3].value, work.height, 2)
                let x: RoiAxis<Value> = work.axis(box[0].value, box[2].value, work.width, 3)
                let rowCount = y.fill(rows, bin: bin / work.width)
                let columnCount = x.fill(columns, bin: bin % work.width)
                work.sample(
                    frame, type, image: Int(image), target: region * work.image[1] * bins + bin,
                    UnsafeBufferPointer(start: rows, count: rowCount),
                    UnsafeBufferPointer(start: columns, count: columnCount), y.samples * x.samples)
            }
        }
    }

    private func axis<Value: FloatMath>(
        _ from: Value, _ to: Value, _ bins: Int, _ dimension: Int
    ) -> RoiAxis<Value> {
        let offset: Value = isHalfPixel ? 0.5 : 0
        return RoiAxis(
            from: from * Value(scale) - offset, to: to * Value(scale) - offset, bins: bins,
            length: image[dimension], ratio: ratio, isHalfPixel: isHalfPixel)
    }

    /// One bin of all channels.
    @inline(__always)
    private func sample<Element: FloatNumber>(
        _ frame: StepFrame, _ type: Element.Type, image index: Int, target: Int,
        _ rows: UnsafeBufferPointer<RoiSample<Element.Value>>,
        _ columns: UnsafeBufferPointer<RoiSample<Element.Value>>, _ sampleCount: Element.Value
    ) {
        typealias Value = Element.Value
        let (channels, pixels, bins) = (image[1], image[2] * image[3], height * width)
        let isWhole = Value(rows.count * columns.count) >= sampleCount
        var meter = CancellationMeter()
        for channel in 0..<channels {
            let plane = frame.input(0, as: Element.self) + (index * channels + channel) * pixels
            var total = takesLargest && isWhole && !rows.isEmpty ? -Value.infinity : 0
            for row in rows {
                if meter.isCancelled(frame, after: 8 * columns.count) { return }
                let (low, high) = (plane + row.low * image[3], plane + row.high * image[3])
                for column in columns {
                    let a = row.lowWeight * column.lowWeight * low[column.low].value
                    let b = row.lowWeight * column.highWeight * low[column.high].value
                    let c = row.highWeight * column.lowWeight * high[column.low].value
                    let d = row.highWeight * column.highWeight * high[column.high].value
                    if takesLargest {
                        total = .larger(total, .larger(.larger(a, b), .larger(c, d)))
                    } else {
                        total += a + b + c + d
                    }
                }
            }
            if !takesLargest { total /= max(sampleCount, 1) }
            frame.output(0, as: Element.self)[target + channel * bins] = Element(storing: total)
        }
    }
}
