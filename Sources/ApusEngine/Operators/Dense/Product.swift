internal import ApusCore
internal import CApusKernels

/// A product of inputs 0 (A) and 1 (B), and what follows it:
/// `activation(alpha * A · B + beta * addend + residual)`.
///
/// Each element of the result is one sum over k in index order, whatever the number of rows, the
/// threads or the batch.
struct Product {
    var shape: ProductShape
    /// A's matrices are `[K, M]`.
    var isLeftTransposed = false
    /// B's matrices are `[N, K]`.
    var isRightTransposed = false
    var alpha: Float = 1
    var beta: Float = 1
    /// An input that broadcasts to the matrix `[M, N]`; only with one matrix, or with one row.
    var addend: Int?
    /// An input of the result's shape.
    var residual: Int?
    var activation = FusedActivation.none

    /// Adds the steps that compute output 0.
    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        guard builder.outputs[0].shape.elementCount > 0 else { return }
        let type = builder.outputs[0].dataType
        switch type {
        case .float, .float16, .bfloat16: try planFloat(&builder, type)
        default:
            guard residual == nil, activation.code < 0 else {
                throw builder.inputs.fail("a fused product of type \(type) is not supported")
            }
            try planElements(&builder, type)
        }
    }

    private func planFloat(
        _ builder: inout StepBuilder, _ type: DataType
    ) throws(EngineError) {
        let count = builder.outputs[0].shape.elementCount
        let target =
            type == .float ? builder.outputSlot(0) : try builder.temporary(byteCount: count * 4)
        var step = FloatProduct(kernels: builder.kernels, shape: shape, target: target)
        step.left = try leftRows(&builder)
        step.right = try rightMatrices(&builder)
        step.alpha = alpha
        if let addend, beta != 0 {
            let (slot, rows) = try FloatAddend(input: addend, factor: beta)
                .slot(rows: shape.rows, columns: shape.columns, &builder)
            if rows == 1 { step.bias = slot } else { step.residual = slot }
        }
        if let residual { step.residual = builder.inputSlot(residual) }
        step.activation = activation
        try builder.checkScratch(step.scratchByteCount)
        builder.addStep(
            scratchByteCount: step.scratchByteCount, operationCount: shape.operationCount
        ) { [step] frame in step.run(frame) }
        if type != .float { try builder.addConversion(from: target, type, count: count) }
    }

    /// A as floats, row after row.
    private func leftRows(_ builder: inout StepBuilder) throws(EngineError) -> BufferSlot {
        let source = try builder.floatInput(0)
        guard isLeftTransposed else { return source }
        let copy = StridedCopy(
            shape: [shape.rows, shape.depth], sourceStrides: [1, shape.rows],
            targetStrides: [shape.depth, 1])
        let target = try builder.temporary(byteCount: copy.elementCount * 4)
        guard copy.elementCount > 0 else { return target }
        builder.addParallelStep(
            count: copy.unitCount, grain: copy.grain, operationCount: copy.elementCount
        ) { frame, range in
            copy.run(
                UnsafePointer(frame.memory(source, as: Float.self)), frame.memory(target), range)
        }
        return target
    }

    private func rightMatrices(
        _ builder: inout StepBuilder
    ) throws(EngineError) -> FloatProduct.Right {
        let packing = RightPacking(
            shape: shape, isTransposed: isRightTransposed,
            type: try builder.inputs.dataType(1), kernels: builder.kernels)
        if let packed = try packing.constantSlot(input: 1, &builder) {
            return .packed(packed, stride: packing.packedStride)
        }
        return .loose(
            try builder.floatInput(1), rowStride: packing.rowStride,
            columnStride: packing.columnStride)
    }

    private func planElements(
        _ builder: inout StepBuilder, _ type: DataType
    ) throws(EngineError) {
        let work = ElementProduct(product: self, addend: try addendStrides(builder.inputs))
        guard let body = try type.visitNumber(work) else {
            throw builder.inputs.fail("elements of type \(type) cannot be multiplied")
        }
        builder.addParallelStep(
            count: work.unitCount, operationCount: shape.operationCount, body)
    }

    /// Row and column strides of the addend.
    private func addendStrides(_ inputs: PlanInputs) throws(EngineError) -> (Int, Int) {
        guard let addend else { return (0, 0) }
        let own = try inputs.shape(addend)
        let columns = own.last ?? 1
        let rows = own.count > 1 ? own[own.count - 2] : 1
        return (rows == 1 ? 0 : columns, columns == 1 ? 0 : 1)
    }
}

/// How B's matrices become panels.
private struct RightPacking: Sendable {
    let shape: ProductShape
    let isTransposed: Bool
    let type: DataType
    let kernels: Kernels

    var rowStride: Int { isTransposed ? 1 : shape.columns }
    var columnStride: Int { isTransposed ? shape.depth : 1 }
    /// Floats of a packed matrix.
    var packedStride: Int { kernels.gemm_packed_count_f32?(shape.depth, shape.columns) ?? 0 }

    /// Packs B once for all plans; nil if it is not constant.
    func constantSlot(
        input: Int, _ builder: inout StepBuilder
    ) throws(EngineError) -> BufferSlot? {
        let (stride, overflow) = packedStride.multipliedReportingOverflow(by: 4 * shape.rightCount)
        guard !overflow, stride <= builder.memoryByteCountMax else { return nil }
        return try builder.packedConstant(
            input: input,
            layout: "product:\(type):\(shape.rightCount)x\(shape.depth)x\(shape.columns)"
                + "\(isTransposed ? "T" : "")",
            byteCount: stride
        ) { source, target in
            guard let to = target.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
            if type == .float, let from = source.baseAddress {
                pack(from, to)
            } else {
                let count = shape.rightCount * shape.depth * shape.columns
                let floats = try FloatContent.make(source, type, count: count)
                floats.withUnsafeBytes { if let from = $0.baseAddress { pack(from, to) } }
            }
        }
    }

    private func pack(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
        let matrix = shape.depth * shape.columns
        for index in 0..<shape.rightCount {
            kernels.gemm_pack_b_f32?(
                source + index * matrix * 4, Int64(rowStride), Int64(columnStride), shape.depth,
                shape.columns, target + index * packedStride)
        }
    }
}
