internal import ApusCore
internal import CApusKernels

/// The run-time part of a product in `float`. Threads share panels of B's columns, or A's rows where
/// there are more of them.
struct FloatProduct: Sendable {
    /// Where B is.
    enum Right: Sendable {
        /// In panels, `stride` floats per matrix.
        case packed(BufferSlot, stride: Int)
        /// As it came; each thread packs a panel at a time.
        case loose(BufferSlot, rowStride: Int, columnStride: Int)
    }

    let kernels: Kernels
    let shape: ProductShape
    let target: BufferSlot
    var left = BufferSlot(index: -1)
    var right = Right.packed(BufferSlot(index: -1), stride: 0)
    var alpha: Float = 1
    var bias: BufferSlot?
    /// In the layout of the result.
    var residual: BufferSlot?
    var activation = FusedActivation.none

    init(kernels: Kernels, shape: ProductShape, target: BufferSlot) {
        self.kernels = kernels
        self.shape = shape
        self.target = target
        panelWidth = kernels.gemm_panel_columns
    }

    private let panelWidth: Int
    private var panels: Int { (shape.columns + panelWidth - 1) / panelWidth }
    private static let rowGrain = 12

    /// Bytes per thread: one panel where B is not packed.
    var scratchByteCount: Int {
        guard case .loose = right else { return 0 }
        let (bytes, overflow) = shape.depth.multipliedReportingOverflow(by: panelWidth * 4)
        return overflow ? Int.max : bytes
    }

    func run(_ frame: StepFrame) {
        var epilogue = apus_epilogue()
        epilogue.bias = bias.map { UnsafePointer(frame.memory($0, as: Float.self)) }
        epilogue.residual = residual.map { UnsafePointer(frame.memory($0, as: Float.self)) }
        epilogue.residual_stride = Int64(shape.columns)
        epilogue.activation = activation.code
        epilogue.parameters = activation.parameters
        let units = shape.batch.count * panels
        let splitsPanels =
            units >= 2 * frame.threadCount
            && (shape.batch.count > 1 || shape.columns >= shape.rows)
        let rows = splitsPanels ? 0..<shape.rows : frame.share(of: shape.rows, grain: Self.rowGrain)
        var unit = splitsPanels ? frame.share(of: units) : 0..<units
        guard !rows.isEmpty else { return }
        while !unit.isEmpty {
            let matrix = unit.lowerBound / panels
            let end = min(unit.upperBound, (matrix + 1) * panels)
            let first = unit.lowerBound - matrix * panels
            multiply(frame, epilogue, matrix, rows, first..<end - matrix * panels)
            unit = end..<unit.upperBound
        }
    }

    /// Some rows and panels of one matrix of the result.
    private func multiply(
        _ frame: StepFrame, _ epilogue: apus_epilogue, _ matrix: Int, _ rows: Range<Int>,
        _ panels: Range<Int>
    ) {
        let offsets = shape.batch.offsets(at: matrix)
        let start = matrix * shape.rows + rows.lowerBound
        let c = frame.memory(target, as: Float.self) + start * shape.columns
        let a =
            frame.memory(left, as: Float.self)
            + (offsets[0] * shape.rows + rows.lowerBound) * shape.depth
        var epilogue = epilogue
        epilogue.residual = epilogue.residual.map { $0 + start * shape.columns }
        switch right {
        case .packed(let slot, let stride):
            let b = frame.memory(slot, as: Float.self) + offsets[1] * stride
            let columns = columns(of: panels)
            kernels.gemm_f32?(
                rows.count, shape.columns, shape.depth, a, Int64(shape.depth), b, c,
                Int64(shape.columns), columns.lowerBound, columns.upperBound, alpha, &epilogue)
        case .loose(let slot, let rowStride, let columnStride):
            let b = frame.memory(slot, as: Float.self) + offsets[1] * shape.depth * shape.columns
            let packed = frame.scratch(as: Float.self)
            for panel in panels {
                let columns = columns(of: panel..<panel + 1)
                kernels.gemm_pack_b_f32?(
                    b + columns.lowerBound * columnStride, Int64(rowStride), Int64(columnStride),
                    shape.depth, columns.count, packed)
                var shifted = epilogue
                shifted.bias = epilogue.bias.map { $0 + columns.lowerBound }
                shifted.residual = epilogue.residual.map { $0 + columns.lowerBound }
                kernels.gemm_f32?(
                    rows.count, columns.count, shape.depth, a, Int64(shape.depth), packed,
                    c + columns.lowerBound, Int64(shape.columns), 0, columns.count, alpha, &shifted)
            }
        }
    }

    private func columns(of panels: Range<Int>) -> Range<Int> {
        panels.lowerBound * panelWidth..<min(panels.upperBound * panelWidth, shape.columns)
    }
}
