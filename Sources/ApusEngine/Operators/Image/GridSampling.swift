internal import ApusCore

/// How GridSample reads an image between and outside of its pixels.
///
/// - Source: ONNX GridSample, opset 22; cubic weights by Keys 1981 with a = -0.75.
struct GridSampling: Sendable {
    enum Mode: Sendable {
        case nearest, linear, cubic

        /// Pixels along one dimension that a position looks at.
        var tapCount: Int {
            switch self {
            case .nearest: 1
            case .linear: 2
            case .cubic: 4
            }
        }
    }

    enum Padding: String, Sendable { case zeros, border, reflection }

    let mode: Mode
    private let padding: Padding
    /// -1 and 1 are the centres of the outer pixels, not their edges.
    private let alignsCorners: Bool

    init(_ node: NodeReader) throws(EngineError) {
        let name = try node.string("mode", default: "linear")
        switch name {
        case "nearest": mode = .nearest
        case "linear", "bilinear": mode = .linear
        case "cubic", "bicubic": mode = .cubic
        default: throw node.fail("mode \"\(name)\" is not nearest, linear or cubic")
        }
        let around = try node.string("padding_mode", default: "zeros")
        guard let padding = Padding(rawValue: around) else {
            throw node.fail("padding_mode \"\(around)\" is not zeros, border or reflection")
        }
        self.padding = padding
        alignsCorners = try node.flag("align_corners")
    }

    /// The position in pixels of a grid's coordinate.
    func position<Value: FloatMath>(_ coordinate: Value, _ length: Int) -> Value {
        let n = coordinate.isNaN ? -1 : coordinate
        let count = Value(length)
        var x = alignsCorners ? (n + 1) / 2 * (count - 1) : ((n + 1) * count - 1) / 2
        if mode == .nearest { x = x.rounded(.toNearestOrEven) }
        let (low, high) = borders(length)
        if x < Value(low) || x > Value(high) {
            switch padding {
            case .zeros: break
            case .border: x = min(max(x, 0), count - 1)
            case .reflection: x = Value(reflected(Double(x), low, high))
            }
        }
        return x
    }

    /// The pixels around a position along one dimension (-1 outside) and their weights.
    func taps<Weight: FloatMath>(
        of position: Double, _ length: Int, _ indices: UnsafeMutablePointer<Int>,
        _ weights: UnsafeMutablePointer<Weight>
    ) {
        let count = mode.tapCount
        let floor = position.rounded(.down)
        // Far outside, where padding is zeros; nothing closer is as large as this.
        guard abs(floor) < 0x1p50 else {
            for tap in 0..<count { (indices[tap], weights[tap]) = (-1, 0) }
            return
        }
        let first = Int(floor) - (mode == .cubic ? 1 : 0)
        for tap in 0..<count { indices[tap] = pixel(first + tap, length) }
        let t = Weight(position - floor)
        switch mode {
        case .nearest: weights[0] = 1
        case .linear: (weights[0], weights[1]) = (1 - t, t)
        case .cubic:
            weights[0] = Self.outer(t + 1)
            weights[1] = Self.inner(t)
            weights[2] = Self.inner(1 - t)
            weights[3] = Self.outer(2 - t)
        }
    }

    private static func inner<Weight: FloatMath>(_ x: Weight) -> Weight {
        ((-0.75 + 2) * x - (-0.75 + 3)) * x * x + 1
    }

    private static func outer<Weight: FloatMath>(_ x: Weight) -> Weight {
        ((-0.75 * x + 3.75) * x - 6) * x + 3
    }

    /// The pixel that stands for position `index`; -1 for none.
    private func pixel(_ index: Int, _ length: Int) -> Int {
        if index >= 0 && index < length { return index }
        switch padding {
        case .zeros: return -1
        case .border: return min(max(index, 0), length - 1)
        case .reflection:
            let (low, high) = borders(length)
            return min(max(Int(reflected(Double(index), low, high)), 0), length - 1)
        }
    }

    private func borders(_ length: Int) -> (Double, Double) {
        alignsCorners ? (0, Double(length - 1)) : (-0.5, Double(length) - 0.5)
    }

    /// `x` mirrored at the borders until it lies between them.
    private func reflected(_ x: Double, _ low: Double, _ high: Double) -> Double {
        let extent = high - low
        guard extent > 0, x.isFinite else { return 0 }
        if x >= low && x <= high { return x }
        let distance = x < low ? low - x : x - high
        let turns = (distance / extent).rounded(.towardZero)
        let rest = distance - turns * extent
        let isAtStart = (x < low) == (turns.truncatingRemainder(dividingBy: 2) == 0)
        return isAtStart ? low + rest : high - rest
    }
}

/// The pixels of an image that a block of positions looks at, and their weights; those outside or
/// without weight are left out.
struct GridTaps<Weight: FloatMath> {
    /// Positions in the block.
    private(set) var count = 0
    let offsets: UnsafeMutablePointer<Int>
    let weights: UnsafeMutablePointer<Weight>
    private let counts: UnsafeMutablePointer<Int>
    private let axisIndices: UnsafeMutablePointer<Int>
    private let axisWeights: UnsafeMutablePointer<Weight>
    private let tapCount: Int
    private let axisTapCount: Int

    /// - Parameter scratch: `GridSampleWork.scratchByteCount` bytes.
    init(_ scratch: UnsafeMutablePointer<Int>, _ work: GridSampleWork) {
        tapCount = work.tapCount
        axisTapCount = work.sampling.mode.tapCount
        counts = scratch
        offsets = counts + work.block
        axisIndices = offsets + work.block * tapCount
        let rest = UnsafeMutableRawPointer(axisIndices + 4 * work.rank)
        axisWeights = rest.assumingMemoryBound(to: Weight.self)
        weights = axisWeights + 4 * work.rank
    }

    /// The taps of one position, as indices of `offsets` and `weights`.
    func range(of point: Int) -> Range<Int> {
        point * tapCount..<point * tapCount + counts[point]
    }

    mutating func fill(
        _ count: Int, _ positions: UnsafePointer<Double>, _ sampling: GridSampling,
        _ image: Shape, _ strides: [Int]
    ) {
        self.count = count
        let rank = strides.count
        for point in 0..<count {
            for axis in 0..<rank {
                sampling.taps(
                    of: positions[point * rank + rank - 1 - axis], image[axis + 2],
                    axisIndices + 4 * axis, axisWeights + 4 * axis)
            }
            var next = point * tapCount
            for tap in 0..<tapCount {
                var (offset, weight, rest) = (0, Weight(1), tap)
                for axis in (0..<rank).reversed() {
                    let at = 4 * axis + rest % axisTapCount
                    rest /= axisTapCount
                    weight *= axisIndices[at] < 0 ? 0 : axisWeights[at]
                    offset += max(axisIndices[at], 0) * strides[axis]
                }
                guard weight != 0 else { continue }
                (offsets[next], weights[next]) = (offset, weight)
                next += 1
            }
            counts[point] = next - point * tapCount
        }
    }
}
