internal import Glibc

/// What operators of ai.onnx.ml do with scores at the end.
///
/// Formulas, with their approximation of the inverse error function, as in onnxruntime: the ONNX
/// specification only names them.
enum PostTransform: Int, Sendable {
    case none, softmax, logistic, softmaxZero, probit

    /// - Throws: for a keyword that is none of ONNX's.
    init(_ node: NodeReader) throws(EngineError) {
        let name = try node.string("post_transform", default: "NONE")
        switch name {
        case "NONE": self = .none
        case "SOFTMAX": self = .softmax
        case "LOGISTIC": self = .logistic
        case "SOFTMAX_ZERO": self = .softmaxZero
        case "PROBIT": self = .probit
        default: throw node.fail("attribute \"post_transform\" is \"\(name)\", which is unknown")
        }
    }

    /// Transforms the scores of one row in place.
    func apply(_ scores: UnsafeMutablePointer<Float>, _ count: Int) {
        switch self {
        case .none: return
        case .logistic: for i in 0..<count { scores[i] = Self.logistic(scores[i]) }
        case .probit: for i in 0..<count { scores[i] = Self.probit(scores[i]) }
        case .softmax: Self.softmax(scores, count, keepsZeros: false)
        case .softmaxZero: Self.softmax(scores, count, keepsZeros: true)
        }
    }

    static func logistic(_ x: Float) -> Float {
        let y = 1 / (1 + Float.exp(-x.magnitude))
        return x < 0 ? 1 - y : y
    }

    /// `sqrt 2 · erfinv(2x - 1)`, by Winitzki's approximation of erfinv with a = 0.147.
    static func probit(_ x: Float) -> Float {
        let y = 2 * x - 1
        let log = Float.log((1 - y) * (1 + y))
        let a = 2 / (3.14159 * Float(0.147)) + 0.5 * log
        let root = (a * a - 1 / Float(0.147) * log).squareRoot() - a
        return Float(2).squareRoot() * (y < 0 ? -1 : 1) * root.squareRoot()
    }

    /// - Parameter keepsZeros: scores of 0 stay 0 and do not count (SOFTMAX_ZERO).
    private static func softmax(
        _ scores: UnsafeMutablePointer<Float>, _ count: Int, keepsZeros: Bool
    ) {
        var largest = -Float.greatestFiniteMagnitude
        for i in 0..<count where scores[i] > largest { largest = scores[i] }
        let scaleOfZeros = Float.exp(-largest)
        var sum: Float = 0
        for i in 0..<count {
            if keepsZeros && scores[i] <= 1e-7 && scores[i] >= -1e-7 {
                scores[i] *= scaleOfZeros
            } else {
                scores[i] = Float.exp(scores[i] - largest)
                sum += scores[i]
            }
        }
        for i in 0..<count { scores[i] /= sum }
    }

    /// What becomes of the one score of a classifier with two classes.
    enum Pair {
        /// `[1 - score, score]`: the weights are all positive, so that the score is a probability.
        /// LOGISTIC is applied to the score and its negative instead.
        case complement
        /// `[-score, score]`, or the logistic function of both.
        case opposite
        /// `[score, 0]`.
        case alone
    }

    /// Writes the two scores of a row that has one.
    func applyPair(_ score: Float, _ pair: Pair, _ scores: UnsafeMutablePointer<Float>) {
        switch (self, pair) {
        case (.probit, _): (scores[0], scores[1]) = (Self.probit(score), 0)
        case (.logistic, .complement), (.logistic, .opposite):
            (scores[0], scores[1]) = (Self.logistic(-score), Self.logistic(score))
        case (_, .complement): (scores[0], scores[1]) = (1 - score, score)
        case (_, .opposite): (scores[0], scores[1]) = (-score, score)
        case (_, .alone): (scores[0], scores[1]) = (score, 0)
        }
    }
}
