internal import ApusCore

/// The Fourier transforms of windowed frames of a signal.
///
/// - Shapes: signal `[batch, length, 1 or 2]`; the result is `[batch, frames, bins, 2]`.
/// - Types: `float`, `double`, `float16`, `bfloat16`; computes in `double`.
/// - Source: ONNX STFT, opset 17.
struct STFT: StepOperator {
    private let isOneSided: Bool

    init(_ node: NodeReader) throws(EngineError) {
        isOneSided = try node.flag("onesided", default: true)
    }

    var contentInputs: [Int] { [1, 3] }

    private struct Geometry {
        var step: Int
        var length: Int
        var frames: Int
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let signal = try inputs.tensor(0)
        let geometry = try geometry(inputs)
        let bins = isOneSided ? geometry.length / 2 + 1 : geometry.length
        return [PlannedTensor(signal.dataType, [signal.shape[0], geometry.frames, bins, 2])]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let signal = try builder.inputs.tensor(0)
        let geometry = try geometry(builder.inputs)
        let shape = builder.outputs[0].shape
        guard shape.elementCount > 0 else { return }
        try builder.charge(byteCount: FourierTransform.tableByteCount(length: geometry.length))
        let visitor = STFTBody(
            transform: FourierTransform(length: geometry.length, isInverse: false),
            step: geometry.step, frames: geometry.frames, bins: shape[2],
            signalLength: signal.shape[1], width: signal.shape[2],
            hasWindow: builder.inputs.has(2))
        guard let body = try signal.dataType.visitFloat(visitor) else {
            throw builder.inputs.fail("elements of type \(signal.dataType) are not supported")
        }
        let lines = shape[0] * geometry.frames
        builder.addParallelStep(
            count: lines,
            scratchByteCount: visitor.transform.scratchCount
                * MemoryLayout<FourierTransform.Complex>.stride,
            operationCount: lines * geometry.length * 40, body)
    }

    private func geometry(_ inputs: PlanInputs) throws(EngineError) -> Geometry {
        let shape = try inputs.shape(0)
        guard shape.count == 3, shape[2] == 1 || shape[2] == 2 else {
            throw inputs.fail("input 0 has shape \(shape), expected [batch, length, 1 or 2]")
        }
        guard let step = inputs.constant(1)?.scalarInteger, step > 0 else {
            throw inputs.fail("frame_step must be a positive number")
        }
        var length = shape[1]
        if inputs.has(2) {
            let window = try inputs.tensor(2)
            guard window.shape.count == 1, window.dataType == (try inputs.dataType(0)) else {
                throw inputs.fail("the window must be 1-D and of the signal's type")
            }
            length = window.shape[0]
        }
        if inputs.has(3) {
            guard let given = inputs.constant(3)?.scalarInteger,
                !inputs.has(2) || given == length
            else {
                throw inputs.fail("frame_length must be a number, equal to the window's length")
            }
            length = given
        }
        guard length >= 1, length <= shape[1], length <= 1 << 24 else {
            throw inputs.fail("frames of length \(length) do not fit a signal of \(shape[1])")
        }
        return Geometry(step: step, length: length, frames: (shape[1] - length) / step + 1)
    }
}

private struct STFTBody: FloatVisitor {
    let transform: FourierTransform
    let step: Int
    let frames: Int
    let bins: Int
    let signalLength: Int
    let width: Int
    let hasWindow: Bool

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let body = self
        return { frame, range in
            let x = frame.input(0, as: Element.self)
            let y = frame.output(0, as: Element.self)
            let window = body.hasWindow ? frame.input(2, as: Element.self) : nil
            let values = frame.scratch(as: FourierTransform.Complex.self)
            for line in range {
                let first =
                    line / body.frames * body.signalLength + line % body.frames * body.step
                for k in 0..<body.transform.length {
                    let at = (first + k) * body.width
                    let weight = window?[k].value.asDouble ?? 1
                    let imaginary = body.width == 2 ? x[at + 1].value.asDouble : 0
                    values[k] = SIMD2(x[at].value.asDouble, imaginary) * weight
                }
                body.transform(values)
                for k in 0..<body.bins {
                    let at = (line * body.bins + k) * 2
                    y[at] = Element(storing: Element.Value(fromDouble: values[k].x))
                    y[at + 1] = Element(storing: Element.Value(fromDouble: values[k].y))
                }
            }
        }
    }
}

extension STFT {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.items()]
    }
}
