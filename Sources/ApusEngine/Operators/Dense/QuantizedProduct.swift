internal import ApusCore
internal import CApusKernels

/// A product of bytes less their zero points, with exact 32-bit sums.
///
/// A's bytes become 16-bit numbers, row after row; B's are packed, once for all plans if they and
/// their zero points are constants.
struct QuantizedProduct {
    /// A matrix stack, and what is taken from its elements: one zero point, one per row of A or
    /// column of B, or one per row or column of each matrix.
    struct Operand {
        var input: Int
        var zero: Int?
    }

    let left: Operand
    let right: Operand
    let shape: ProductShape

    /// - Throws: unless both are `int8` or `uint8` with zero points that fit.
    init(left: Operand, right: Operand, _ inputs: PlanInputs) throws(EngineError) {
        self.left = left
        self.right = right
        let (a, b) = (try inputs.shape(left.input), try inputs.shape(right.input))
        shape = try ProductShape(matMul: a, b, inputs)
        for operand in [left, right] {
            let type = try inputs.dataType(operand.input)
            guard type == .int8 || type == .uint8 else {
                throw inputs.fail("input \(operand.input) is \(type), allowed are int8 and uint8")
            }
            guard let zero = operand.zero else { continue }
            guard try inputs.dataType(zero) == type else {
                throw inputs.fail(
                    "a zero point is \(try inputs.dataType(zero)), its matrix \(type)")
            }
        }
        try check(left.zero, isLeft: true, inputs)
        try check(right.zero, isLeft: false, inputs)
    }

    /// - Throws: unless the input has one number, one per row of A (column of B), or one per row
    ///   (column) of each matrix.
    func check(_ input: Int?, isLeft: Bool, _ inputs: PlanInputs) throws(EngineError) {
        guard let input else { return }
        let count = try inputs.shape(input).elementCount
        let operand = try inputs.shape(isLeft ? left.input : right.input)
        let rows = operand.count > 1 ? operand[operand.count - 2] : 1
        let lines = isLeft ? rows : shape.columns
        let matrices = isLeft ? leftRows / max(rows, 1) : shape.rightCount
        guard count == 1 || count == lines || count == lines * matrices else {
            throw inputs.fail(
                "input \(input) has shape \(try inputs.shape(input)), expected one element, "
                    + "\(lines), or \(lines) for each matrix")
        }
    }

    /// Rows of all of A's matrices.
    private var leftRows: Int {
        shape.batch.count == 1 ? shape.rows : shape.leftCount * shape.rows
    }
    /// Numbers from one widened row to the next.
    private var rowStride: Int { (shape.depth + 1) & ~1 }

    /// Adds the steps; `store` takes the sums, a part of a row at a time.
    func plan(
        _ builder: inout StepBuilder,
        store: @escaping @Sendable (StepFrame, QuantizedRow) -> Void
    ) throws(EngineError) {
        let a = try addWidened(&builder)
        let b = try packedRight(&builder)
        let (kernels, shape, rowStride) = (builder.kernels, shape, rowStride)
        let stride = kernels.gemm_packed_count_bytes?(shape.depth, shape.columns) ?? 0
        // A block of rows of the result stays in L1 and L2 while its panels pass by.
        let rowsMax = 24
        let blocks = (shape.rows + rowsMax - 1) / rowsMax
        let panel = kernels.gemm_panel_columns
        let panels = (shape.columns + panel - 1) / panel
        let scratch = rowsMax * panel * 4
        builder.addParallelStep(
            count: shape.batch.count * panels * blocks, scratchByteCount: scratch,
            operationCount: shape.operationCount
        ) { frame, range in
            let sums = frame.scratch(as: Int32.self)
            for unit in range {
                let (line, block) = unit.quotientAndRemainder(dividingBy: blocks)
                let (matrix, part) = line.quotientAndRemainder(dividingBy: panels)
                let offsets = shape.batch.offsets(at: matrix)
                let first = block * rowsMax
                let rows = min(rowsMax, shape.rows - first)
                let column = part * panel
                let width = min(panel, shape.columns - column)
                let leftRow = offsets[0] * shape.rows + first
                kernels.gemm_bytes?(
                    rows, width, shape.depth,
                    frame.memory(a, as: Int16.self) + leftRow * rowStride, Int64(rowStride),
                    frame.memory(b, as: Int16.self) + offsets[1] * stride + column * rowStride,
                    sums, Int64(panel), 0, width)
                for row in 0..<rows {
                    store(
                        frame,
                        QuantizedRow(
                            sums: sums + row * panel, count: width,
                            target: (matrix * shape.rows + first + row) * shape.columns + column,
                            leftRow: leftRow + row,
                            rightColumn: offsets[1] * shape.columns + column))
                }
            }
        }
    }

    private func addWidened(_ builder: inout StepBuilder) throws(EngineError) -> BufferSlot {
        let (rows, rowStride, depth) = (leftRows, rowStride, shape.depth)
        let (count, overflow) = rows.multipliedReportingOverflow(by: rowStride * 2)
        guard !overflow else { throw builder.inputs.fail("A is too large") }
        let target = try builder.temporary(byteCount: count)
        let zeros = try zeroCount(left, builder.inputs)
        let isSigned = try builder.inputs.dataType(left.input) == .int8
        let (left, kernels) = (left, builder.kernels)
        builder.addParallelStep(count: rows, grain: 4, operationCount: rows * depth) {
            frame, range in
            let x = frame.input(left.input, as: UInt8.self)
            let y = frame.memory(target, as: Int16.self)
            let zero = left.zero.map { frame.input($0, as: UInt8.self) }
            for row in range {
                let value = zero.map { Self.signed($0[row % zeros], isSigned) } ?? 0
                let line = y + row * rowStride
                kernels.widen_bytes?(x + row * depth, isSigned, value, line, depth)
                if rowStride > depth { line[depth] = 0 }
            }
        }
        return target
    }

    private func zeroCount(_ operand: Operand, _ inputs: PlanInputs) throws(EngineError) -> Int {
        guard let zero = operand.zero else { return 0 }
        return try inputs.shape(zero).elementCount
    }

    private static func signed(_ byte: UInt8, _ isSigned: Bool) -> Int32 {
        isSigned ? Int32(Int8(bitPattern: byte)) : Int32(byte)
    }

    private func packedRight(_ builder: inout StepBuilder) throws(EngineError) -> BufferSlot {
        let (kernels, shape, right) = (builder.kernels, shape, right)
        let isSigned = try builder.inputs.dataType(right.input) == .int8
        let stride = kernels.gemm_packed_count_bytes?(shape.depth, shape.columns) ?? 0
        let (byteCount, overflow) = stride.multipliedReportingOverflow(by: 2 * shape.rightCount)
        guard !overflow else { throw builder.inputs.fail("B is too large") }
        let zeroCount = try zeroCount(right, builder.inputs)
        let pack: PackRight = { source, zeros, matrix, target in
            let columns = zeroCount == 1 ? 1 : shape.columns
            let first = zeroCount <= 1 ? 0 : matrix * shape.columns % zeroCount
            withUnsafeTemporaryAllocation(of: Int32.self, capacity: columns) { wide in
                for column in 0..<columns {
                    let byte = zeros.map { $0[first + column] } ?? 0
                    wide.initializeElement(at: column, to: Self.signed(byte, isSigned))
                }
                kernels.gemm_pack_b_bytes?(
                    source + matrix * shape.depth * shape.columns, isSigned,
                    Int64(shape.columns), 1, shape.depth, shape.columns, wide.baseAddress,
                    zeroCount == 1 ? 0 : 1, target + matrix * stride)
            }
        }
        if let slot = try constantRight(&builder, byteCount: byteCount, pack) { return slot }
        let target = try builder.temporary(byteCount: byteCount)
        builder.addParallelStep(
            count: shape.rightCount, operationCount: shape.rightCount * shape.depth * shape.columns
        ) { frame, range in
            let source = frame.input(right.input, as: UInt8.self)
            let zeros = right.zero.map { frame.input($0, as: UInt8.self) }
            for matrix in range { pack(source, zeros, matrix, frame.memory(target)) }
        }
        return target
    }

    private typealias PackRight =
        @Sendable (
            UnsafePointer<UInt8>, _ zeros: UnsafePointer<UInt8>?, _ matrix: Int,
            UnsafeMutablePointer<Int16>
        ) -> Void

    private func constantRight(
        _ builder: inout StepBuilder, byteCount: Int, _ pack: PackRight
    ) throws(EngineError) -> BufferSlot? {
        var zeros: [UInt8] = []
        var zeroName = ""
        if let zero = right.zero {
            guard let operand = builder.nodeInputs[zero], operand.modelConstant != nil,
                let bytes = operand.constant?.bytes
            else { return nil }
            zeros = bytes.withUnsafeBytes { [UInt8]($0) }
            zeroName = operand.name
        }
        let shape = shape
        return try builder.packedConstant(
            input: right.input,
            layout: "quantized:\(shape.rightCount)x\(shape.depth)x\(shape.columns):\(zeroName)",
            byteCount: byteCount
        ) { source, target in
            guard let from = source.assumingMemoryBound(to: UInt8.self).baseAddress,
                let to = target.assumingMemoryBound(to: Int16.self).baseAddress
            else { return }
            zeros.withUnsafeBufferPointer { zeros in
                for matrix in 0..<shape.rightCount {
                    pack(from, zeros.isEmpty ? nil : zeros.baseAddress, matrix, to)
                }
            }
        }
    }
}

/// The sums of a part of a row.
struct QuantizedRow {
    let sums: UnsafeMutablePointer<Int32>
    let count: Int
    /// Where the first one belongs in the result.
    let target: Int
    /// The row of A, and B's first column, counted through all matrices.
    let leftRow: Int
    let rightColumn: Int
}
