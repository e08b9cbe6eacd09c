internal import ApusCore
internal import CApusKernels

/// The run-time part of a float convolution with channels last. Threads share output pixels, or
/// panels of output channels where the weights outweigh the image.
struct ConvolutionStep: Sendable {
    let kernels: Kernels
    let table: WindowTable
    let source: BufferSlot
    let weights: BufferSlot
    let target: BufferSlot
    /// Output pixels of all images.
    var pixels = 0
    var groups = 1
    /// Elements of a row that one tap reads.
    var channels = 0
    /// Output channels per group.
    var columns = 0
    /// Elements from one input pixel to the next.
    var inputStride = 0
    var isDepthwise = false
    /// Rows are the image's own pixels: no table is needed.
    var isPlain = false
    var weightCount = 0
    var bias: BufferSlot?
    var residual: BufferSlot?
    var activation = FusedActivation.none
    /// Pixels that are computed for all their columns before the next ones.
    private var block = 12
    private var packedStride = 0

    init(
        kernels: Kernels, table: WindowTable, source: BufferSlot, weights: BufferSlot,
        target: BufferSlot
    ) {
        self.kernels = kernels
        self.table = table
        self.source = source
        self.weights = weights
        self.target = target
    }

    private var taps: Int { table.tapCount }
    /// Floats of the line of zeros that taps outside the image read.
    private var lineCount: Int { (channels + 15) & ~15 }
    /// Columns of the whole output.
    private var width: Int { groups * columns }
    private var panels: Int {
        let panel = kernels.gemm_panel_columns
        return (columns + panel - 1) / panel
    }

    /// Chooses block sizes; returns the scratch bytes per thread.
    ///
    /// A block's pixels stay in L2 (256 KiB of them) while panels pass by.
    mutating func prepare(_ builder: StepBuilder) throws(EngineError) -> Int {
        let fitting = min(65536 / max(channels, 1), 131_072 / max(taps, 1))
        block = max(12, min(384, fitting)) / 12 * 12
        packedStride =
            isDepthwise
            ? 0 : kernels.gemm_packed_count_f32?(taps * rowChannels, columns) ?? 0
        let (pointers, overflow) = (block * 8).multipliedReportingOverflow(by: taps)
        guard !overflow, pointers <= builder.memoryByteCountMax else {
            throw .limitExceeded(
                "a window with \(taps) taps is over the model's memory limit of "
                    + "\(builder.memoryByteCountMax) bytes")
        }
        return lineCount * 4 + (isPlain ? 0 : pointers)
    }

    private var rowChannels: Int { channels }

    func run(_ frame: StepFrame) {
        var epilogue = apus_epilogue()
        epilogue.bias = bias.map { UnsafePointer(frame.memory($0, as: Float.self)) }
        epilogue.residual = residual.map { UnsafePointer(frame.memory($0, as: Float.self)) }
        epilogue.residual_stride = Int64(width)
        epilogue.activation = activation.code
        epilogue.parameters = activation.parameters
        if !isPlain {
            frame.scratch(as: Float.self).update(repeating: 0, count: lineCount)
        }
        if isDepthwise { return runDepthwise(frame, epilogue) }
        let splitsPanels =
            groups * panels >= 2 * frame.threadCount && weightCount > pixels * inputStride
        if splitsPanels {
            let share = frame.share(of: groups * panels)
            runBlocks(frame, epilogue, 0..<pixels, share)
        } else {
            let share = frame.share(of: pixels, grain: 12)
            runBlocks(frame, epilogue, share, 0..<groups * panels)
        }
    }

    private func rows(_ frame: StepFrame) -> UnsafeMutablePointer<UnsafePointer<Float>?> {
        let start = UnsafeMutableRawPointer(frame.scratch(as: Float.self) + lineCount)
        return start.assumingMemoryBound(to: UnsafePointer<Float>?.self)
    }

    /// Some pixels, some panels (counted through all groups).
    private func runBlocks(
        _ frame: StepFrame, _ epilogue: apus_epilogue, _ pixels: Range<Int>, _ panels: Range<Int>
    ) {
        guard !panels.isEmpty, self.panels > 0 else { return }
        let firstGroup = panels.lowerBound / self.panels
        let lastGroup = (panels.upperBound - 1) / self.panels
        var first = pixels.lowerBound
        while first < pixels.upperBound {
            let last = min(first + block, pixels.upperBound)
            for group in firstGroup...lastGroup {
                if frame.isCancelled { return }
                let begin = max(panels.lowerBound - group * self.panels, 0)
                let end = min(panels.upperBound - group * self.panels, self.panels)
                multiply(frame, epilogue, first..<last, group, begin..<end)
            }
            first = last
        }
    }

    private func multiply(
        _ frame: StepFrame, _ epilogue: apus_epilogue, _ pixels: Range<Int>, _ group: Int,
        _ panels: Range<Int>
    ) {
        let x = frame.memory(source, as: Float.self)
        let packed = frame.memory(weights, as: Float.self) + group * packedStride
        let column = group * columns
        let y = frame.memory(target, as: Float.self) + (pixels.lowerBound * width + column)
        var epilogue = epilogue
        epilogue.bias = epilogue.bias.map { $0 + column }
        epilogue.residual = epilogue.residual.map { $0 + (pixels.lowerBound * width + column) }
        let panel = kernels.gemm_panel_columns
        let (n0, n1) = (panels.lowerBound * panel, min(panels.upperBound * panel, columns))
        let panelWork = pixels.count * panel * max(channels &* taps, 1)
        let columnCount = max(4 * StepPiece.operationCount / panelWork, 1) * panel
        if isPlain {
            let start = x + (pixels.lowerBound * inputStride + group * channels)
            for column in stride(from: n0, to: n1, by: columnCount) {
                if column > n0, frame.isCancelled { return }
                kernels.gemm_f32?(
                    pixels.count, columns, channels, start, Int64(inputStride), packed, y,
                    Int64(width), column, min(column + columnCount, n1), 1, &epilogue)
            }
            return
        }
        let rows = rows(frame)
        withUnsafePointer(to: table.window) {
            kernels.window_rows_f32?(
                $0, x + group * channels, frame.scratch(as: Float.self), pixels.lowerBound,
                pixels.upperBound, rows)
        }
        for column in stride(from: n0, to: n1, by: columnCount) {
            if column > n0, frame.isCancelled { return }
            kernels.gemm_indirect_f32?(
                pixels.count, columns, channels, taps, rows, packed, y, Int64(width), column,
                min(column + columnCount, n1), &epilogue)
        }
    }

    private func runDepthwise(_ frame: StepFrame, _ epilogue: apus_epilogue) {
        let length = StepPiece.length(grain: 8, operationsPerItem: columns &* taps)
        frame.forEachPiece(of: frame.share(of: pixels, grain: 8), length: length) { pixels in
            var epilogue = epilogue
            epilogue.residual = epilogue.residual.map { $0 + pixels.lowerBound * width }
            withUnsafePointer(to: table.window) {
                kernels.depthwise_f32?(
                    $0, frame.memory(source, as: Float.self), columns,
                    frame.memory(weights, as: Float.self), pixels.lowerBound, pixels.upperBound,
                    frame.memory(target, as: Float.self) + pixels.lowerBound * width, &epilogue,
                    rows(frame))
            }
        }
    }
}
