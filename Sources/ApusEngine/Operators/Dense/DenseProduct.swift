internal import ApusCore

/// The run-time part of a product in floating point. Threads share panels of B's columns, or A's rows
/// where there are more of them.
struct DenseProduct<Value: DenseValue>: Sendable {
    /// Where B is.
    enum Right: Sendable {
        /// In panels, `stride` values per matrix.
        case packed(BufferSlot, stride: Int)
        /// As it came; each thread packs a panel at a time.
        case loose(BufferSlot, rowStride: Int, columnStride: Int)
    }

    let kernels: Kernels
    let provider: DenseProvider
    let shape: ProductShape
    let left: BufferSlot
    let right: Right
    let target: BufferSlot
    var alpha: Value = 1
    var bias: BufferSlot?
    /// In the layout of the result.
    var residual: BufferSlot?
    var activation = FusedActivation.none

    init(
        _ builder: StepBuilder, _ shape: ProductShape, left: BufferSlot, right: Right,
        target: BufferSlot
    ) {
        kernels = builder.kernels
        provider = builder.denseProvider
        self.shape = shape
        self.left = left
        self.right = right
        self.target = target
        panelWidth = Value.panelColumns(kernels)
    }

    private let panelWidth: Int
    private var panels: Int { (shape.columns + panelWidth - 1) / panelWidth }
    private var rowGrain: Int { 12 }
    /// Rows that OpenBLAS gets at a time, never fewer: it takes other ways for other numbers of rows,
    /// and a row's result must not depend on how many there are.
    private var blockRows: Int { 16 }

    /// Adds the step.
    func add(_ builder: inout StepBuilder) throws(EngineError) {
        let work = self
        let scratch = scratchByteCount
        try builder.checkScratch(scratch)
        builder.addStep(scratchByteCount: scratch, operationCount: shape.operationCount) { frame in
            work.run(frame)
        }
    }

    /// Bytes per thread: a panel, or OpenBLAS's block of A and of the result.
    private var scratchByteCount: Int {
        guard case .loose = right else { return 0 }
        let width = usesBLAS ? blockRows : panelWidth
        let length = usesBLAS ? shape.depth + shape.columns : shape.depth
        let (bytes, overflow) = length.multipliedReportingOverflow(
            by: width * MemoryLayout<Value>.stride)
        return overflow ? Int.max : bytes
    }

    /// OpenBLAS counts in 32 bits.
    private var usesBLAS: Bool {
        guard provider == .blas, case .loose = right else { return false }
        return max(shape.depth, shape.columns) <= Int(Int32.max)
    }

    private func run(_ frame: StepFrame) {
        var end = DenseEnd<Value>(alpha: alpha, activation: activation)
        end.bias = bias.map { UnsafePointer(frame.memory($0)) }
        end.residual = residual.map { UnsafePointer(frame.memory($0)) }
        if usesBLAS { return runBLAS(frame, end) }
        let units = shape.batch.count * panels
        let splitsPanels =
            units >= 2 * frame.threadCount
            && (shape.batch.count > 1 || shape.columns >= shape.rows)
        let rows = splitsPanels ? 0..<shape.rows : frame.share(of: shape.rows, grain: rowGrain)
        var unit = splitsPanels ? frame.share(of: units) : 0..<units
        guard !rows.isEmpty else { return }
        while !unit.isEmpty {
            if frame.isCancelled { return }
            let matrix = unit.lowerBound / panels
            let last = min(unit.upperBound, (matrix + 1) * panels)
            let first = unit.lowerBound - matrix * panels
            multiply(frame, end, matrix, rows, first..<last - matrix * panels)
            unit = last..<unit.upperBound
        }
    }

    /// Some rows and panels of one matrix of the result.
    private func multiply(
        _ frame: StepFrame, _ end: DenseEnd<Value>, _ matrix: Int, _ rows: Range<Int>,
        _ panels: Range<Int>
    ) {
        let offsets = shape.batch.offsets(at: matrix)
        let start = matrix * shape.rows + rows.lowerBound
        let end = end.shifted(rows: start, columns: 0, stride: shape.columns)
        var tile = DenseTile<Value>(
            rows: rows.count, columns: columns(of: panels), depth: shape.depth,
            a: UnsafePointer(frame.memory(left))
                + (offsets[0] * shape.rows + rows.lowerBound) * shape.depth, aStride: shape.depth,
            b: UnsafePointer(frame.memory(slot)), c: frame.memory(target) + start * shape.columns,
            cStride: shape.columns)
        switch right {
        case .packed(_, let stride):
            tile.b += offsets[1] * stride
            multiply(frame, tile, end)
        case .loose(_, let rowStride, let columnStride):
            let b = tile.b + offsets[1] * shape.depth * shape.columns
            let packed = frame.scratch(as: Value.self)
            let c = tile.c
            for panel in panels {
                if frame.isCancelled { return }
                let columns = columns(of: panel..<panel + 1)
                Value.pack(
                    kernels, b + columns.lowerBound * columnStride, rowStride: rowStride,
                    columnStride: columnStride, k: shape.depth, n: columns.count, into: packed)
                tile.b = UnsafePointer(packed)
                tile.c = c + columns.lowerBound
                tile.columns = 0..<columns.count
                multiply(
                    frame, tile, end.shifted(rows: 0, columns: columns.lowerBound, stride: 0))
            }
        }
    }

    /// A tile, in pieces if it is large, between which the run can be cancelled.
    private func multiply(
        _ frame: StepFrame, _ tile: DenseTile<Value>, _ end: DenseEnd<Value>
    ) {
        // Blocks of rows as the kernels take them, and all panels before the next: nothing is read
        // more often than in one call.
        let rowCount =
            (max(65536 / (shape.depth + 1), 96) + rowGrain - 1) / rowGrain * rowGrain
        let panelWork = min(rowCount, tile.rows) * panelWidth * max(shape.depth, 1)
        let columnCount = max(4 * StepPiece.operationCount / panelWork, 1) * panelWidth
        guard tile.rows > rowCount || tile.columns.count > columnCount else {
            return Value.multiply(kernels, tile, end)
        }
        for row in stride(from: 0, to: tile.rows, by: rowCount) {
            var part = tile
            part.rows = min(rowCount, tile.rows - row)
            part.a += row * tile.aStride
            part.c += row * tile.cStride
            let end = end.shifted(rows: row, columns: 0, stride: tile.cStride)
            for column in stride(
                from: tile.columns.lowerBound, to: tile.columns.upperBound, by: columnCount)
            {
                if frame.isCancelled { return }
                part.columns = column..<min(column + columnCount, tile.columns.upperBound)
                Value.multiply(kernels, part, end)
            }
        }
    }

    private var slot: BufferSlot {
        switch right {
        case .packed(let slot, _), .loose(let slot, _, _): slot
        }
    }

    private func columns(of panels: Range<Int>) -> Range<Int> {
        panels.lowerBound * panelWidth..<min(panels.upperBound * panelWidth, shape.columns)
    }

    // MARK: OpenBLAS

    private func runBLAS(_ frame: StepFrame, _ end: DenseEnd<Value>) {
        guard case .loose(_, let rowStride, let columnStride) = right else { return }
        let blocks = (shape.rows + blockRows - 1) / blockRows
        for unit in frame.share(of: shape.batch.count * blocks) {
            if frame.isCancelled { return }
            let (matrix, block) = unit.quotientAndRemainder(dividingBy: blocks)
            let offsets = shape.batch.offsets(at: matrix)
            let first = block * blockRows
            let count = min(blockRows, shape.rows - first)
            let start = matrix * shape.rows + first
            var tile = DenseTile<Value>(
                rows: blockRows, columns: 0..<shape.columns, depth: shape.depth,
                a: UnsafePointer(frame.memory(left)) + (offsets[0] * shape.rows + first)
                    * shape.depth,
                aStride: shape.depth,
                b: UnsafePointer(frame.memory(slot)) + offsets[1] * shape.depth * shape.columns,
                c: frame.memory(target) + start * shape.columns, cStride: shape.columns)
            let c = tile.c
            if count < blockRows {
                let a = frame.scratch(as: Value.self)
                a.initialize(repeating: 0, count: blockRows * shape.depth)
                a.update(from: tile.a, count: count * shape.depth)
                tile.a = UnsafePointer(a)
                tile.c = a + blockRows * shape.depth
            }
            Value.multiplyByBLAS(
                tile, rowStride: rowStride, columnStride: columnStride)
            if count < blockRows { c.update(from: tile.c, count: count * shape.columns) }
            (tile.c, tile.rows) = (c, count)
            let end = end.shifted(rows: start, columns: 0, stride: shape.columns)
            end.apply(tile)
            Value.applyActivation(end, tile, kernels)
        }
    }
}
