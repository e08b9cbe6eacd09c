internal import ApusCore

/// The discrete Fourier transform along one axis.
///
/// - Shapes: the last dimension is 1 (real) or 2 (complex); the axis is cut or padded with zeros to
///   `dft_length`. One-sided: real to `n / 2 + 1` bins, inverse from those to real.
/// - Types: `float`, `double`, `float16`, `bfloat16`; computes in `double`.
/// - Source: ONNX DFT, opset 20 (axis as an attribute in opset 17).
struct DFT: StepOperator {
    private let isInverse: Bool
    private let isOneSided: Bool
    private let fixedAxis: Int?

    init(_ node: NodeReader) throws(EngineError) {
        isInverse = try node.flag("inverse")
        isOneSided = try node.flag("onesided")
        fixedAxis = node.opsetVersion < 20 ? try node.int("axis", default: 1) : nil
    }

    var contentInputs: [Int] { [1, 2] }

    private struct Geometry {
        var axis: Int
        var length: Int
        var outputLength: Int
        var outputWidth: Int
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        let geometry = try geometry(inputs)
        var shape = source.shape
        shape[geometry.axis] = geometry.outputLength
        shape[shape.count - 1] = geometry.outputWidth
        return [PlannedTensor(source.dataType, shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.tensor(0)
        let geometry = try geometry(builder.inputs)
        let count = builder.outputs[0].shape.elementCount
        guard count > 0 else { return }
        let axis = geometry.axis
        try builder.charge(byteCount: FourierTransform.tableByteCount(length: geometry.length))
        let visitor = DFTBody(
            transform: FourierTransform(length: geometry.length, isInverse: isInverse),
            inputLength: source.shape[axis], inputWidth: source.shape[source.shape.count - 1],
            outputLength: geometry.outputLength, outputWidth: geometry.outputWidth,
            inner: Array(source.shape[(axis + 1)..<(source.shape.count - 1)]).elementCount,
            isMirrored: isInverse && isOneSided)
        guard let body = try source.dataType.visitFloat(visitor) else {
            throw builder.inputs.fail("elements of type \(source.dataType) are not supported")
        }
        let lines = count / (geometry.outputLength * geometry.outputWidth)
        builder.addParallelStep(
            count: lines,
            scratchByteCount: visitor.transform.scratchCount
                * MemoryLayout<FourierTransform.Complex>.stride,
            operationCount: lines * geometry.length * 40, body)
    }

    private func geometry(_ inputs: PlanInputs) throws(EngineError) -> Geometry {
        let shape = try inputs.shape(0)
        guard shape.count >= 2, let width = shape.last, width == 1 || width == 2 else {
            throw inputs.fail("input 0 has shape \(shape); the last dimension must be 1 or 2")
        }
        let named = inputs.constant(2)?.scalarInteger ?? -2
        let axis = try inputs.normalized(axis: fixedAxis ?? named, rank: shape.count)
        guard axis < shape.count - 1 else {
            throw inputs.fail("the last axis cannot be transformed")
        }
        let isMirrored = isInverse && isOneSided
        var length = isMirrored ? 2 * (shape[axis] - 1) : shape[axis]
        if inputs.has(1) {
            guard let given = inputs.constant(1)?.scalarInteger else {
                throw inputs.fail("dft_length must be a number")
            }
            length = given
        }
        guard length >= 1, length <= 1 << 24 else {
            throw inputs.fail("a transform of length \(length) is not possible")
        }
        let isHalved = isOneSided && !isInverse
        return Geometry(
            axis: axis, length: length, outputLength: isHalved ? length / 2 + 1 : length,
            outputWidth: isMirrored ? 1 : 2)
    }
}

private struct DFTBody: FloatVisitor {
    let transform: FourierTransform
    let inputLength: Int
    let inputWidth: Int
    let outputLength: Int
    let outputWidth: Int
    /// Lines that lie side by side.
    let inner: Int
    /// The input is one half of a spectrum of a real signal.
    let isMirrored: Bool

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let (body, transform) = (self, transform)
        return { frame, range in
            let x = frame.input(0, as: Element.self)
            let y = frame.output(0, as: Element.self)
            let values = frame.scratch(as: FourierTransform.Complex.self)
            for line in range {
                let (outer, column) = (line / body.inner, line % body.inner)
                body.read(x, outer, column, values)
                transform(values)
                for k in 0..<body.outputLength {
                    let position = (outer * body.outputLength + k) * body.inner + column
                    let at = position * body.outputWidth
                    y[at] = Element(storing: Element.Value(fromDouble: values[k].x))
                    if body.outputWidth == 2 {
                        y[at + 1] = Element(storing: Element.Value(fromDouble: values[k].y))
                    }
                }
            }
        }
    }

    private func read<Element: FloatNumber>(
        _ x: UnsafePointer<Element>, _ outer: Int, _ column: Int,
        _ values: UnsafeMutablePointer<FourierTransform.Complex>
    ) {
        let length = transform.length
        for k in 0..<length {
            guard k < inputLength else {
                values[k] = .zero
                continue
            }
            let at = ((outer * inputLength + k) * inner + column) * inputWidth
            values[k] = SIMD2(
                x[at].value.asDouble, inputWidth == 2 ? x[at + 1].value.asDouble : 0)
        }
        guard isMirrored, length > 1 else { return }
        for k in (length / 2 + 1)..<max(length, length / 2 + 1) {
            values[k] = SIMD2(values[length - k].x, -values[length - k].y)
        }
    }
}

extension DFT {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let axis = try node.valid { () throws(EngineError) in
            try geometry(node.inputs).axis
        }
        return [
            try node.lines(along: [axis, node.outputShape.count - 1], doing: "transforms along")
        ]
    }
}
