import ApusCore

/// An operator with a form for images with channels last.
///
/// Shapes of values are always those of ONNX, channels first: `[N, C, spatial]`. In what order the
/// elements lie in memory is the plan's business. A convolution leaves its result with channels last;
/// operators that conform keep it so, all others get a copy with channels first.
protocol ImageOperator: StepOperator {
    /// What computes the same with channels last, or nil if that does not pay or does not fit.
    ///
    /// - Parameters:
    ///   - inputs: with shapes as in ONNX.
    ///   - isLast: whether an input lies with channels last already.
    func channelsLast(
        for inputs: PlanInputs, isLast: (Int) -> Bool
    ) throws(EngineError) -> ChannelsLastForm?
}

/// An operator that computes each output element from the input elements at the same place (with
/// broadcasting), so that the order of the dimensions does not matter to it.
protocol ElementwiseOperator: StepOperator {
    /// False where an older opset broadcasts in another way.
    var isSymmetric: Bool { get }
}

extension ElementwiseOperator {
    var isSymmetric: Bool { true }
}

/// An operator for images with channels last, which sees shapes `[N, spatial, C]`.
struct ChannelsLastForm {
    var op: any StepOperator
    /// Inputs that it sees with channels last.
    var images: Set<Int>
    /// Whether its outputs have channels last.
    var makesImages = true
}

extension Shape {
    /// `[N, C, spatial]` as `[N, spatial, C]`; other shapes as they are.
    var channelsLast: Shape {
        count < 3 ? self : [self[0]] + self[2...] + [self[1]]
    }

    /// Whether both orders are the same bytes: there is one channel, or one pixel.
    var isSameInBothLayouts: Bool {
        count < 3 || self[1] == 1 || self[2...].allSatisfy { $0 == 1 }
    }

    /// The axis of `channelsLast` that is `axis` of this shape.
    static func channelsLastAxis(of axis: Int, rank: Int) -> Int {
        axis == 0 ? 0 : axis == 1 ? rank - 1 : axis - 1
    }
}

extension PlanInputs {
    /// The same where the shapes of `images` have channels last. Inputs of a lower rank are filled
    /// with ones in front. Contents of images are not known any more: they lie in another order.
    func channelsLast(_ images: Set<Int>, rank: Int) -> PlanInputs {
        var changed = inputs
        for index in images where index < inputs.count {
            guard var input = inputs[index] else { continue }
            let missing = max(rank - input.tensor.shape.count, 0)
            let full = [Int](repeating: 1, count: missing) + input.tensor.shape
            input.tensor.shape = full.channelsLast
            (input.known, input.modelConstant) = (nil, nil)
            changed[index] = input
        }
        return PlanInputs(node: node, inputs: changed, outputCount: outputCount)
    }
}

/// Moves the elements of an image from one order to the other.
struct LayoutCopy: WidthVisitor {
    let copy: StridedCopy

    /// - Parameter shape: as in ONNX.
    init(_ shape: Shape, toChannelsLast: Bool) {
        let pixels = shape[2...].reduce(1, *)
        let (batch, channels) = (shape[0], shape[1])
        let loops = toChannelsLast ? [batch, pixels, channels] : [batch, channels, pixels]
        copy = StridedCopy(
            shape: loops,
            sourceStrides: [channels * pixels, 1, toChannelsLast ? pixels : channels],
            targetStrides: loops.rowMajorStrides)
    }

    func visit<Element: BitwiseCopyable & Sendable>(_ type: Element.Type) -> StepBody {
        let copy = copy
        return { frame, range in
            copy.run(frame.input(0, as: Element.self), frame.output(0), range)
        }
    }
}
