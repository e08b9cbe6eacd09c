/// Which elements of an axis make up each element of the resized axis, and with which weights.
///
/// - Source: ONNX Resize, opset 19. Cubic: Keys 1981, equation 4.
struct ResizeWeights: Sendable {
    enum Rounding: String, Sendable {
        case preferFloor = "round_prefer_floor"
        case preferCeil = "round_prefer_ceil"
        case floor, ceil
    }

    enum Filter: Sendable {
        case nearest(Rounding)
        case linear
        /// The parameter is Keys' a.
        case cubic(Double)
    }

    /// Where the taps of each target position start; one more than there are positions.
    private(set) var starts: [Int] = [0]
    /// Source positions of all taps.
    private(set) var indices: [Int] = []
    private(set) var weights: [Double] = []
    /// Target positions that lie outside the source and get the extrapolation value.
    private(set) var outside: Set<Int> = []

    /// - Parameter antialiases: when the axis shrinks, stretches the filter over all that falls on
    ///   one target position.
    init(
        _ coordinates: ResizeCoordinates, _ filter: Filter, antialiases: Bool, excludesOutside: Bool
    ) {
        let length = coordinates.sourceLength
        starts.reserveCapacity(coordinates.targetLength + 1)
        var taps: [(index: Int, weight: Double)] = []
        for position in 0..<coordinates.targetLength {
            let x = coordinates(position)
            if coordinates.isOutside(x) { outside.insert(position) }
            taps.removeAll(keepingCapacity: true)
            let scale = antialiases ? min(coordinates.scale, 1) : 1
            // A coordinate that is not finite, or far outside, is as good as the edge.
            let limit = Double(length) + 4
            let center = x >= -limit ? (x <= limit ? x : limit) : -limit
            Self.appendTaps(center, filter, scale, &taps)
            Self.normalize(&taps, length, filter, antialiases, excludesOutside)
            append(taps, length)
        }
    }

    /// The filter's taps around `x`, clamped to no axis yet.
    private static func appendTaps(
        _ x: Double, _ filter: Filter, _ scale: Double,
        _ taps: inout [(index: Int, weight: Double)]
    ) {
        // The tap at or left of x, so that the distance to it is in (0, 1].
        let base = Int(x.rounded(.up)) - 1
        let ratio = x - Double(base)
        let radius: Double
        switch filter {
        case .nearest(let rounding):
            let isRight: Bool
            switch rounding {
            case .preferFloor: isRight = ratio > 0.5
            case .preferCeil: isRight = ratio >= 0.5
            case .floor: isRight = ratio == 1
            case .ceil: isRight = true
            }
            taps.append((isRight ? base + 1 : base, 1))
            return
        case .linear: radius = 1
        case .cubic: radius = 2
        }
        let first = Int((-radius / scale).rounded(.down)) + 1
        for offset in first..<(2 - first) {
            let distance = abs((Double(offset) - ratio) * scale)
            taps.append((base + offset, weight(distance, filter)))
        }
    }

    private static func weight(_ distance: Double, _ filter: Filter) -> Double {
        switch filter {
        case .nearest: return 1
        case .linear: return max(1 - distance, 0)
        case .cubic(let a):
            let x = distance
            if x <= 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
            return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0
        }
    }

    private static func normalize(
        _ taps: inout [(index: Int, weight: Double)], _ length: Int, _ filter: Filter,
        _ antialiases: Bool, _ excludesOutside: Bool
    ) {
        if antialiases { scaleToOne(&taps) }
        if excludesOutside {
            for i in taps.indices where taps[i].index < 0 || taps[i].index >= length {
                taps[i].weight = 0
            }
            scaleToOne(&taps)
        }
    }

    private static func scaleToOne(_ taps: inout [(index: Int, weight: Double)]) {
        let sum = taps.reduce(0) { $0 + $1.weight }
        if sum != 0 { for i in taps.indices { taps[i].weight /= sum } }
    }

    /// Adds one target position: taps outside fall on the edge, those on one element are joined, and
    /// those without weight left out, so that they do not spread NaN.
    private mutating func append(_ taps: [(index: Int, weight: Double)], _ length: Int) {
        let start = indices.count
        for (index, weight) in taps where weight != 0 {
            let clamped = min(max(index, 0), length - 1)
            if indices.count > start, indices[indices.count - 1] == clamped {
                weights[weights.count - 1] += weight
            } else {
                indices.append(clamped)
                weights.append(weight)
            }
        }
        if indices.count == start {
            let nearest = taps.first?.index ?? 0
            indices.append(min(max(nearest, 0), length - 1))
            weights.append(taps.isEmpty ? 1 : 0)
        }
        starts.append(indices.count)
    }
}
