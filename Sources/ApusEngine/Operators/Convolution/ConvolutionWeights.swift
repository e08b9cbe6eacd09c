internal import ApusCore
internal import CApusKernels

/// The weights of a convolution in the layout that the kernels read.
///
/// The weight of output column n, input channel j and tap t of group g is element
/// `g * groupStride + n * columnStride + j * channelStride + t` of the input.
struct ConvolutionWeights {
    var input: Int
    var groupStride: Int
    var columnStride: Int
    var channelStride: Int
    /// A constant with one factor per output channel of all groups, which the weights take in.
    var scaleInput: Int?

    enum Packing {
        /// Per group a matrix of `taps * channels` rows and `columns` columns, in panels.
        case panels(groups: Int, channels: Int, columns: Int, taps: Int)
        /// `[taps][channels]`.
        case depthwise(channels: Int)
    }

    /// Adds what is needed to have the packed weights during the run: nothing if they are constant.
    func slot(
        _ builder: inout StepBuilder, _ packing: Packing
    ) throws(EngineError) -> BufferSlot {
        let tensor = try builder.inputs.tensor(input)
        let count = tensor.shape.elementCount
        let kernels = builder.kernels
        let matrices = matrices(packing, count: count)
        let byteCount = matrices.packedCount(kernels) * 4
        let type = tensor.dataType
        let scale = try scale(builder)
        let scaleName = scaleInput.flatMap { builder.nodeInputs[$0]?.name } ?? ""
        let constant = try builder.packedConstant(
            input: input, layout: "convolution:\(type):\(matrices):\(scaleName)",
            byteCount: byteCount
        ) { source, target in
            // The floats, and the matrix of a group.
            let transient = try MemoryReservation(byteCount: count * 8)
            defer { withExtendedLifetime(transient) {} }
            var floats = try WeightFloats.make(source, type, count: count)
            if !scale.isEmpty { multiply(&floats, by: scale) }
            matrices.pack(floats, target.baseAddress, kernels)
        }
        if let constant { return constant }
        guard scaleInput == nil else {
            throw builder.inputs.fail("a scale needs constant weights")
        }
        let source = try builder.floatInput(input)
        let target = try builder.temporary(byteCount: byteCount)
        try builder.charge(byteCount: count * 4)
        builder.addStep(isSerial: true, operationCount: count) { frame in
            let floats = UnsafeBufferPointer(
                start: UnsafePointer(frame.memory(source, as: Float.self)), count: count)
            matrices.pack(floats, frame.memory(target, as: Float.self), kernels)
        }
        return target
    }

    /// The factors; empty if there are none.
    private func scale(_ builder: StepBuilder) throws(EngineError) -> [Float] {
        guard let scaleInput else { return [] }
        guard let tensor = builder.inputs.constant(scaleInput) else {
            throw builder.inputs.fail("the scale must be constant")
        }
        return tensor.elements(as: Float.self)
    }

    private func multiply(_ weights: inout [Float], by scale: [Float]) {
        let groupCount = groupStride > 0 ? weights.count / groupStride : 1
        let columns = scale.count / max(groupCount, 1)
        for (index, factor) in scale.enumerated() {
            let group = index / max(columns, 1)
            let start = group * groupStride + index % max(columns, 1) * columnStride
            for i in start..<min(start + columnStride, weights.count) { weights[i] *= factor }
        }
    }

    private func matrices(_ packing: Packing, count: Int) -> WeightMatrices {
        switch packing {
        case .panels(let groups, let channels, let columns, let taps):
            WeightMatrices(
                groups: groups, taps: taps, channels: channels, columns: columns,
                groupStride: groupStride, columnStride: columnStride,
                channelStride: channelStride, isPacked: true)
        case .depthwise(let channels):
            WeightMatrices(
                groups: 1, taps: channels == 0 ? 0 : count / channels, channels: 1,
                columns: channels, groupStride: 0, columnStride: groupStride, channelStride: 0,
                isPacked: false)
        }
    }
}

/// One matrix per group; its description names the layout among packed constants.
private struct WeightMatrices: Sendable, CustomStringConvertible {
    let groups: Int
    let taps: Int
    let channels: Int
    let columns: Int
    let groupStride: Int
    let columnStride: Int
    let channelStride: Int
    /// In panels for products; else as it is.
    let isPacked: Bool

    var description: String {
        "\(groups)x\(taps)x\(channels)x\(columns):\(groupStride),\(columnStride),\(channelStride),"
            + "\(isPacked)"
    }

    func packedCount(_ kernels: Kernels) -> Int {
        guard isPacked else { return taps * channels * columns }
        return groups * (kernels.gemm_packed_count_f32?(taps * channels, columns) ?? 0)
    }

    func pack(
        _ source: UnsafeBufferPointer<Float>, _ target: UnsafeMutableRawPointer?,
        _ kernels: Kernels
    ) {
        guard let target = target?.assumingMemoryBound(to: Float.self),
            let base = source.baseAddress
        else { return }
        let stride = packedCount(kernels) / max(groups, 1)
        let rows = taps * channels
        if isPacked && taps == 1 {
            for group in 0..<groups {
                kernels.gemm_pack_b_f32?(
                    base + group * groupStride, Int64(channelStride), Int64(columnStride), rows,
                    columns, target + group * stride)
            }
            return
        }
        let matrix = UnsafeMutablePointer<Float>.allocate(capacity: max(rows * columns, 1))
        defer { matrix.deallocate() }
        for group in 0..<groups {
            for tap in 0..<taps {
                for channel in 0..<channels {
                    let row = matrix + (tap &* channels &+ channel) &* columns
                    let start = base + (group &* groupStride &+ channel &* channelStride &+ tap)
                    for column in 0..<columns { row[column] = start[column &* columnStride] }
                }
            }
            if isPacked {
                kernels.gemm_pack_b_f32?(
                    matrix, Int64(columns), 1, rows, columns, target + group * stride)
            } else {
                (target + group * stride).update(from: matrix, count: rows * columns)
            }
        }
    }

    func pack(
        _ floats: [Float], _ target: UnsafeMutableRawPointer?, _ kernels: Kernels
    ) {
        floats.withUnsafeBufferPointer { pack($0, target, kernels) }
    }
}

/// Constant weights of any float type as floats.
private struct WeightFloats: FloatVisitor {
    let source: UnsafeRawBufferPointer
    let count: Int

    static func make(
        _ source: UnsafeRawBufferPointer, _ type: DataType, count: Int
    ) throws(EngineError) -> [Float] {
        try type.visitFloat(WeightFloats(source: source, count: count)) ?? []
    }

    func visit<Element: FloatNumber>(_ type: Element.Type) -> [Float] {
        let width = MemoryLayout<Element>.stride
        return (0..<min(count, source.count / width)).map {
            let element = source.loadUnaligned(fromByteOffset: $0 &* width, as: Element.self)
            return Float(element.value)
        }
    }
}
