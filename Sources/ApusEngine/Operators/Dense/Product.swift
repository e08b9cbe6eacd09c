internal import ApusCore

/// A product of inputs 0 (A) and 1 (B), and what follows it:
/// `activation(alpha * A · B + beta * addend + residual)`.
///
/// Each element of the result is one sum over k in index order, whatever the number of rows, the
/// threads or the batch.
struct Product {
    var shape: ProductShape
    /// A's matrices are `[K, M]`; only with one matrix.
    var isLeftTransposed = false
    /// B's matrices are `[N, K]`.
    var isRightTransposed = false
    var alpha: Float = 1
    var beta: Float = 1
    /// An input that broadcasts to the matrix `[M, N]`; only with one matrix, or with one row.
    var addend: Int?
    /// An input that broadcasts together with the product; only for `float`.
    var residual: Int?
    var activation = FusedActivation.none

    /// Adds the steps that compute output 0.
    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        guard builder.outputs[0].shape.elementCount > 0 else { return }
        let type = builder.outputs[0].dataType
        guard type == .float || (residual == nil && activation.code < 0) else {
            throw builder.inputs.fail("a fused product of type \(type) is not supported")
        }
        switch type {
        case .float: try planFloat(&builder)
        case .double: try planDense(&builder, as: Double.self, to: builder.outputSlot(0))
        case .float16, .bfloat16:
            let target = try builder.resultSlot(output: 0, as: Float.self)
            try planDense(&builder, as: Float.self, to: target)
            try builder.addResult(output: 0, from: target, as: Float.self)
        default: try planInteger(&builder, type)
        }
    }

    private func planFloat(_ builder: inout StepBuilder) throws(EngineError) {
        guard let residual, try builder.inputs.shape(residual) != shape.output else {
            // OpenBLAS stores the product before the residual is added.
            if let residual, builder.denseProvider == .apus {
                builder.mayReuse(input: residual, forOutput: 0)
            }
            return try planDense(&builder, as: Float.self, to: builder.outputSlot(0))
        }
        // A residual that only broadcasts is added after the product.
        var plain = self
        plain.residual = nil
        plain.activation = .none
        let product = try builder.temporary(byteCount: shape.output.elementCount * 4)
        try plain.planDense(&builder, as: Float.self, to: product)
        let layout = StridedLayout(
            output: builder.outputs[0].shape,
            broadcasting: [shape.output, try builder.inputs.shape(residual)])
        let (kernels, activation) = (builder.kernels, activation)
        builder.addParallelStep(
            count: layout.count, grain: 1024, operationCount: layout.count
        ) { frame, range in
            let x = frame.memory(product, as: Float.self)
            let z = frame.input(residual, as: Float.self)
            let y = frame.output(0, as: Float.self)
            let (xStep, zStep) = (layout.innerStrides[0], layout.innerStrides[1])
            layout.forEachRun(range) { run in
                for i in 0..<run.count {
                    y[run.start + i] =
                        x[run.offsets[0] + i * xStep] + z[run.offsets[1] + i * zStep]
                }
            }
            activation.apply(y + range.lowerBound, count: range.count, kernels)
        }
    }

    private func planDense<Value: DenseValue>(
        _ builder: inout StepBuilder, as type: Value.Type, to target: BufferSlot
    ) throws(EngineError) {
        let left = try leftRows(&builder, as: type)
        let right = try rightMatrices(&builder, as: type)
        var step = DenseProduct<Value>(builder, shape, left: left, right: right, target: target)
        step.alpha = Value(alpha)
        if let addend, beta != 0 {
            let (slot, rows) = try DenseAddend<Value>(input: addend, factor: Value(beta))
                .slot(columns: shape.columns, &builder)
            if rows == 1 { step.bias = slot } else { step.residual = slot }
        }
        if let residual { step.residual = builder.inputSlot(residual) }
        step.activation = activation
        try step.add(&builder)
    }

    /// A, row after row.
    private func leftRows<Value: DenseValue>(
        _ builder: inout StepBuilder, as type: Value.Type
    ) throws(EngineError) -> BufferSlot {
        let source = try builder.numbers(ofInput: 0, as: type)
        guard isLeftTransposed else { return source }
        let copy = StridedCopy(
            shape: [shape.rows, shape.depth], sourceStrides: [1, shape.rows],
            targetStrides: [shape.depth, 1])
        let target = try builder.temporary(
            byteCount: copy.elementCount * MemoryLayout<Value>.stride)
        guard copy.elementCount > 0 else { return target }
        builder.addParallelStep(
            count: copy.unitCount, grain: copy.grain, operationCount: copy.elementCount
        ) { frame, range in
            copy.run(
                UnsafePointer(frame.memory(source, as: Value.self)), frame.memory(target), range)
        }
        return target
    }

    private func rightMatrices<Value: DenseValue>(
        _ builder: inout StepBuilder, as type: Value.Type
    ) throws(EngineError) -> DenseProduct<Value>.Right {
        let packing = RightPacking<Value>(
            shape: shape, isTransposed: isRightTransposed,
            type: try builder.inputs.dataType(1), kernels: builder.kernels)
        if builder.denseProvider == .apus,
            let packed = try packing.constantSlot(input: 1, &builder)
        {
            return .packed(packed, stride: packing.packedStride)
        }
        return .loose(
            try builder.numbers(ofInput: 1, as: type), rowStride: packing.rowStride,
            columnStride: packing.columnStride)
    }

    private func planInteger(
        _ builder: inout StepBuilder, _ type: DataType
    ) throws(EngineError) {
        let work = IntegerProduct(product: self, addend: try addendStrides(builder.inputs))
        guard let body = try type.visitInteger(work) else {
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
private struct RightPacking<Value: DenseValue>: Sendable {
    let shape: ProductShape
    let isTransposed: Bool
    let type: DataType
    let kernels: Kernels

    var rowStride: Int { isTransposed ? 1 : shape.columns }
    var columnStride: Int { isTransposed ? shape.depth : 1 }
    /// Values of a packed matrix.
    var packedStride: Int { Value.packedValueCount(kernels, k: shape.depth, n: shape.columns) }

    /// Packs B once for all plans; nil if it is not constant.
    func constantSlot(
        input: Int, _ builder: inout StepBuilder
    ) throws(EngineError) -> BufferSlot? {
        let (byteCount, overflow) = packedStride.multipliedReportingOverflow(
            by: MemoryLayout<Value>.stride * shape.rightCount)
        guard !overflow, byteCount <= builder.memoryByteCountMax else { return nil }
        return try builder.packedConstant(
            input: input,
            layout: "product:\(type):\(shape.rightCount)x\(shape.depth)x\(shape.columns)"
                + "\(isTransposed ? "T" : "")",
            byteCount: byteCount
        ) { source, target in
            guard let to = target.baseAddress?.assumingMemoryBound(to: Value.self) else { return }
            if type == .float || type == .double {
                if let from = source.baseAddress { pack(from, to) }
            } else {
                let count = shape.rightCount * shape.depth * shape.columns
                let floats = try FloatContent.make(source, type, count: count)
                floats.withUnsafeBytes { if let from = $0.baseAddress { pack(from, to) } }
            }
        }
    }

    private func pack(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Value>) {
        let matrix = shape.depth * shape.columns * MemoryLayout<Value>.stride
        for index in 0..<shape.rightCount {
            Value.pack(
                kernels, source + index * matrix, rowStride: rowStride,
                columnStride: columnStride, k: shape.depth, n: shape.columns,
                into: target + index * packedStride)
        }
    }
}

/// Constant elements of a type of half precision, maybe unaligned, as floats.
private struct FloatContent: FloatVisitor {
    private let source: UnsafeRawBufferPointer
    private let count: Int

    static func make(
        _ source: UnsafeRawBufferPointer, _ type: DataType, count: Int
    ) throws(EngineError) -> [Float] {
        try type.visitFloat(FloatContent(source: source, count: count)) ?? []
    }

    func visit<Element: FloatNumber>(_ type: Element.Type) -> [Float] {
        let width = MemoryLayout<Element>.stride
        return (0..<min(count, source.count / width)).map {
            let element = source.loadUnaligned(fromByteOffset: $0 &* width, as: Element.self)
            return Float(element.value)
        }
    }
}
