internal import ApusCore

/// An image sampled at given positions; ONNX GridSample.
///
/// - Shapes: `X [N, C, spatial]`, `grid [N, spatial', rank]`, whose last dimension names the innermost
///   spatial dimension of `X` first (x, y, z); `Y [N, C, spatial']`.
/// - Types: numbers, interpolated as in `ImageElement`; the nearest mode takes all but strings. The
///   grid has any float type; NaN in it counts as -1.
/// - Source: ONNX GridSample, opset 22. Opset 16 calls the modes bilinear and bicubic.
struct GridSample: StepOperator {
    private let sampling: GridSampling

    init(_ node: NodeReader) throws(EngineError) { sampling = try GridSampling(node) }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let (image, grid) = (try inputs.shape(0), try inputs.shape(1))
        let rank = image.count - 2
        guard rank >= 1, rank <= WindowAttributes.rankMax, grid.count == image.count,
            grid[rank + 1] == rank, grid[0] == image[0]
        else {
            throw inputs.fail("a grid of shape \(grid) does not fit an image of shape \(image)")
        }
        let output = Array(image[..<2]) + grid[1...rank]
        return [PlannedTensor(try inputs.dataType(0), output)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let image = try builder.inputs.shape(0)
        let output = builder.outputs[0]
        guard output.shape.elementCount > 0 else { return }
        guard image.elementCount > 0 else {
            throw builder.inputs.fail("an image of shape \(image) has no elements to sample")
        }
        let work = GridSampleWork(
            sampling: sampling, image: image, pointCount: Array(output.shape[2...]).elementCount,
            positions: try builder.temporary(
                of: Double.self, try builder.inputs.shape(1)))
        let count = try builder.inputs.shape(1).elementCount
        guard let positions = try builder.inputs.dataType(1).visitFloat(GridPositions(work: work))
        else { throw builder.inputs.fail("a grid of this type is not supported") }
        builder.addParallelStep(count: count, grain: 1024, operationCount: count * 4, positions)
        var sampler = GridSampler(work: work)
        let body =
            sampling.mode == .nearest
            ? try output.dataType.visitWidth(sampler)
            : try output.dataType.visitImage(&sampler)
        guard let body else {
            throw builder.inputs.fail("elements of type \(output.dataType) are not sampled")
        }
        try builder.checkScratch(work.scratchByteCount)
        builder.addParallelStep(
            count: image[0] * work.blocks, scratchByteCount: work.scratchByteCount,
            operationCount: output.shape.elementCount &* work.tapCount &* 2, body)
    }
}

/// What the steps of one GridSample know.
struct GridSampleWork: Sendable {
    let sampling: GridSampling
    /// `[N, C, spatial]`.
    let image: Shape
    /// Positions per image.
    let pointCount: Int
    /// Memory of one `Double` per coordinate: positions in pixels.
    let positions: BufferSlot

    var rank: Int { image.count - 2 }
    var channels: Int { image[1] }
    var pixels: Int { Array(image[2...]).elementCount }
    var strides: [Int] { Array(image[2...]).rowMajorStrides }
    /// Pixels that one position looks at.
    var tapCount: Int { (0..<rank).reduce(1) { count, _ in count * sampling.mode.tapCount } }
    /// Positions whose taps are found before their pixels are read, channel by channel.
    var block: Int { max(1, min(64, 4096 / tapCount)) }
    var blocks: Int { (pointCount + block - 1) / block }

    /// Counts, then offsets, then weights of a block's taps.
    var scratchByteCount: Int { (block + 2 * block * tapCount + 8 * rank) * 8 }
}

/// Turns the grid into positions in pixels.
private struct GridPositions: FloatVisitor {
    let work: GridSampleWork

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let (work, rank) = (work, work.rank)
        let lengths = Array(work.image[2...])
        return { frame, range in
            let grid = frame.input(1, as: Element.self)
            let target = frame.memory(work.positions, as: Double.self)
            for index in range {
                let length = lengths[rank - 1 - index % rank]
                target[index] = Double(work.sampling.position(grid[index].value, length))
            }
        }
    }
}

/// Reads the image at the positions.
private struct GridSampler: ImageVisitor, WidthVisitor {
    let work: GridSampleWork

    func visit<Element: ImageElement>(_ type: Element.Type) -> StepBody {
        typealias Computed = Element.Computed
        return body(Computed.self) { frame, plane, target, taps in
            let x = frame.input(0, as: Element.self) + plane
            let y = frame.output(0, as: Element.self) + target
            for point in 0..<taps.count {
                var sum = Computed.zero
                for tap in taps.range(of: point) {
                    sum += x[taps.offsets[tap]].computed * taps.weights[tap]
                }
                y[point] = Element(rounding: sum)
            }
        }
    }

    func visit<Element: BitwiseCopyable & Sendable>(_ type: Element.Type) -> StepBody {
        body(Float.self) { frame, plane, target, taps in
            let x = frame.input(0, as: Element.self) + plane
            let y = frame.output(0, as: Element.self) + target
            for point in 0..<taps.count {
                if let tap = taps.range(of: point).first {
                    y[point] = x[taps.offsets[tap]]
                } else {
                    UnsafeMutableRawPointer(y + point).initializeMemory(
                        as: UInt8.self, repeating: 0, count: MemoryLayout<Element>.stride)
                }
            }
        }
    }

    /// - Parameter read: reads one channel at a block of positions; `plane` and `target` are offsets
    ///   of the channel in `X` and of the block in `Y`.
    private func body<Weight: FloatMath>(
        _ type: Weight.Type,
        _ read:
            @escaping @Sendable (
                _ frame: StepFrame, _ plane: Int, _ target: Int, _ taps: GridTaps<Weight>
            ) -> Void
    ) -> StepBody {
        let (work, strides) = (work, work.strides)
        let (rank, blocks, block, pixels) = (work.rank, work.blocks, work.block, work.pixels)
        return { frame, range in
            var taps = GridTaps<Weight>(frame.scratch(), work)
            for unit in range {
                let (image, part) = unit.quotientAndRemainder(dividingBy: blocks)
                let first = part * block
                let count = min(block, work.pointCount - first)
                let positions =
                    frame.memory(work.positions, as: Double.self)
                    + (image * work.pointCount + first) * rank
                taps.fill(count, positions, work.sampling, work.image, strides)
                for channel in 0..<work.channels {
                    let plane = image * work.channels + channel
                    read(frame, plane * pixels, plane * work.pointCount + first, taps)
                }
            }
        }
    }
}

extension GridSample {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.items(alsoBatched: [1])]
    }
}
