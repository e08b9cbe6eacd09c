internal import ApusCore

/// A support-vector classifier: one machine per pair of classes, which vote; or one hyperplane per
/// class.
///
/// - Outputs: labels `[N]`; probabilities per class where `prob_a` and `prob_b` are given, else the
///   machines' scores, for two classes `[-score, score]` (`[1 - score, score]` with a transform).
/// - Types: features of `float`, `double`, `int64`, `int32`; computes in `float`.
/// - Source: ai.onnx.ml SVMClassifier, version 1; details as in onnxruntime.
struct SVMClassifier: Classifier {
    let labels: ClassLabels
    let node: Node
    private let machine: any VectorMachine

    init(_ node: NodeReader) throws(EngineError) {
        self.node = node.bare(outputCount: 2)
        labels = try ClassLabels(
            node, numbers: "classlabels_ints", strings: "classlabels_strings")
        let counts = try node.ints("vectors_per_class") ?? []
        if counts.reduce(0, { $0 &+ $1 }) == 0 {
            machine = try Hyperplanes(node, classCount: labels.count)
        } else {
            machine = try PairedMachines(node, counts: counts, classCount: labels.count)
        }
    }

    func stepOutputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let rows = try FeatureRows(inputs)
        try rows.check(columnCount: machine.vectors.featureCount, inputs)
        return [
            PlannedTensor(.int64, [rows.rowCount]),
            PlannedTensor(.float, [rows.rowCount, machine.scoreCount]),
        ]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let rows = try FeatureRows(builder.inputs)
        let (machine, table) = (machine, labels.table)
        let wants = (builder.wants(output: 0), builder.wants(output: 1))
        let (vectors, scratch) = (machine.vectors, machine.scratchCount)
        let scoreCount = machine.scoreCount
        let bound = try vectors.bound(to: builder.kernels)
        try builder.addRowStep(
            rows, workPerRow: 2 * vectors.count &* rows.columnCount,
            extraScratch: scratch + scoreCount
        ) { frame, row, x, memory in
            let scores = memory + scratch
            let best = machine.classify(bound, x, memory, scores)
            if wants.0 { frame.output(0, as: Int64.self)[row] = table[best] }
            if wants.1 {
                (frame.output(1, as: Float.self) + row * scoreCount).update(
                    from: scores, count: scoreCount)
            }
        }
    }
}

/// What decides between the classes.
private protocol VectorMachine: Sendable {
    var vectors: SupportVectors { get }
    var scoreCount: Int { get }
    /// Floats of scratch memory that `classify` needs.
    var scratchCount: Int { get }

    /// Writes the scores of one row.
    ///
    /// - Returns: the index of the class that wins, the first of several.
    func classify(
        _ bound: BoundVectors, _ x: UnsafePointer<Float>, _ memory: UnsafeMutablePointer<Float>,
        _ scores: UnsafeMutablePointer<Float>
    ) -> Int
}

/// One hyperplane per class; the class with the largest score wins.
private struct Hyperplanes: VectorMachine {
    let vectors: SupportVectors
    let scratchCount = 0
    private let rho: Float
    private let transform: PostTransform
    private let isPositive: Bool
    private let hasProbabilities: Bool

    init(_ node: NodeReader, classCount: Int) throws(EngineError) {
        let coefficients = try node.floats("coefficients") ?? []
        vectors = try SupportVectors(
            node, coefficients, count: classCount, isLinear: true, attribute: "coefficients")
        guard let rho = try node.floats("rho")?.first else {
            throw node.fail("attribute \"rho\" is missing or empty")
        }
        self.rho = rho
        transform = try PostTransform(node)
        isPositive = coefficients.allSatisfy { $0 >= 0 }
        hasProbabilities = !(try node.floats("prob_a") ?? []).isEmpty
    }

    var scoreCount: Int { vectors.count }

    func classify(
        _ bound: BoundVectors, _ x: UnsafePointer<Float>, _ memory: UnsafeMutablePointer<Float>,
        _ scores: UnsafeMutablePointer<Float>
    ) -> Int {
        let count = vectors.count
        vectors.apply(bound, x, scores)
        for index in 0..<count { scores[index] += rho }
        var best = 0
        for index in 0..<count where scores[index] > scores[best] { best = index }
        if count == 2 && !hasProbabilities {
            // Two classes: the second one wins once any score says yes.
            if isPositive ? scores[best] >= 0.5 : scores[best] > 0 { best = 1 }
        }
        if count > 1 || transform == .probit { transform.apply(scores, count) }
        return best
    }
}

/// One machine per pair of classes over shared support vectors.
private struct PairedMachines: VectorMachine {
    let vectors: SupportVectors
    private let classCount: Int
    /// Support vectors of class i: `starts[i] ..< starts[i + 1]`.
    private let starts: [Int]
    /// Row r, vector v: the weight of v, of class c, against class r (r < c) or r + 1.
    private let coefficients: [Float]
    private let rho: [Float]
    private let slopes: [Float]
    private let offsets: [Float]
    private let transform: PostTransform

    init(_ node: NodeReader, counts: [Int], classCount: Int) throws(EngineError) {
        guard classCount >= 2, counts.count == classCount, counts.allSatisfy({ $0 >= 0 }) else {
            throw node.fail(
                "attribute \"vectors_per_class\" has \(counts.count) values for \(classCount) "
                    + "classes; two classes and more are supported")
        }
        var starts = [0]
        for count in counts {
            let (start, overflow) = starts[starts.count - 1].addingReportingOverflow(count)
            guard !overflow else {
                throw node.fail("attribute \"vectors_per_class\" asks for too many vectors")
            }
            starts.append(start)
        }
        let vectorCount = starts[classCount]
        vectors = try SupportVectors(
            node, try node.floats("support_vectors") ?? [], count: vectorCount, isLinear: false,
            attribute: "support_vectors")
        self.starts = starts
        self.classCount = classCount
        coefficients = try node.floats("coefficients") ?? []
        rho = try node.floats("rho") ?? []
        slopes = try node.floats("prob_a") ?? []
        offsets = try node.floats("prob_b") ?? []
        transform = try PostTransform(node)
        let (weightCount, overflow) = (classCount - 1).multipliedReportingOverflow(by: vectorCount)
        let (product, pairOverflow) = classCount.multipliedReportingOverflow(by: classCount - 1)
        guard !overflow, !pairOverflow else {
            throw node.fail("has \(classCount) classes, which are too many")
        }
        let pairCount = product / 2
        for (name, found, needed) in [
            ("coefficients", coefficients.count, weightCount), ("rho", rho.count, pairCount),
            ("prob_a", slopes.count, slopes.isEmpty ? 0 : pairCount),
            ("prob_b", offsets.count, slopes.isEmpty ? 0 : pairCount),
        ] where found < needed {
            throw node.fail("attribute \"\(name)\" has \(found) values, expected \(needed)")
        }
    }

    private var pairCount: Int { classCount * (classCount - 1) / 2 }
    private var hasProbabilities: Bool { !slopes.isEmpty }
    var scoreCount: Int { hasProbabilities || classCount == 2 ? classCount : pairCount }

    /// Kernels, scores of pairs, votes, and two square matrices.
    var scratchCount: Int {
        vectors.count + pairCount + classCount
            + (hasProbabilities ? 2 * classCount * classCount + classCount : 0)
    }

    func classify(
        _ bound: BoundVectors, _ x: UnsafePointer<Float>, _ memory: UnsafeMutablePointer<Float>,
        _ scores: UnsafeMutablePointer<Float>
    ) -> Int {
        let pairs = memory + vectors.count
        let votes = pairs + pairCount
        vectors.apply(bound, x, memory)
        votes.update(repeating: 0, count: classCount)
        var pair = 0
        for i in 0..<classCount - 1 {
            for j in (i + 1)..<classCount {
                let sum = score(i, j, memory) + Double(rho[pair])
                pairs[pair] = Float(sum)
                votes[sum > 0 ? i : j] += 1
                pair += 1
            }
        }
        var best = 0
        for index in 1..<classCount where votes[index] > votes[best] { best = index }
        if hasProbabilities {
            probabilities(pairs, votes + classCount, scores)
            transform.apply(scores, classCount)
        } else if classCount == 2 {
            // Without a transform the weights count as mixed, with one as all positive.
            switch transform {
            case .none: (scores[0], scores[1]) = (-pairs[0], pairs[0])
            case .probit: (scores[0], scores[1]) = (PostTransform.probit(pairs[0]), 0)
            default: (scores[0], scores[1]) = (1 - pairs[0], pairs[0])
            }
        } else {
            scores.update(from: pairs, count: pairCount)
            transform.apply(scores, pairCount)
        }
        return best
    }

    /// The weighted sum of the machine for classes i and j, i < j.
    private func score(_ i: Int, _ j: Int, _ kernels: UnsafePointer<Float>) -> Double {
        coefficients.withUnsafeBufferPointer { coefficients in
            var sum = 0.0
            let ofI = (j - 1) * vectors.count
            for v in starts[i]..<starts[i + 1] {
                sum += Double(coefficients[ofI + v] * kernels[v])
            }
            let ofJ = i * vectors.count
            for v in starts[j]..<starts[j + 1] {
                sum += Double(coefficients[ofJ + v] * kernels[v])
            }
            return sum
        }
    }

    /// Probabilities of classes from those of pairs.
    ///
    /// - Source: Wu, Lin & Weng 2004, "Probability Estimates for Multi-class Classification by
    ///   Pairwise Coupling", algorithm 2; at most 100 rounds, as libsvm.
    private func probabilities(
        _ pairs: UnsafePointer<Float>, _ memory: UnsafeMutablePointer<Float>,
        _ p: UnsafeMutablePointer<Float>
    ) {
        let n = classCount
        let r = memory
        let q = memory + n * n
        let qp = q + n * n
        var pair = 0
        for i in 0..<n {
            for j in (i + 1)..<max(n, i + 1) {
                let raw = 1 - PostTransform.logistic(pairs[pair] * slopes[pair] + offsets[pair])
                let limited = min(max(raw, 1e-7), 1 - 1e-7)
                (r[i * n + j], r[j * n + i]) = (limited, 1 - limited)
                pair += 1
            }
        }
        for i in 0..<n {
            p[i] = 1 / Float(n)
            q[i * n + i] = 0
            for j in 0..<n where j != i {
                q[i * n + i] += r[j * n + i] * r[j * n + i]
                q[i * n + j] = -r[j * n + i] * r[i * n + j]
            }
        }
        for _ in 0..<100 {
            var total: Float = 0
            for i in 0..<n {
                qp[i] = 0
                for j in 0..<n { qp[i] += q[i * n + j] * p[j] }
                total += p[i] * qp[i]
            }
            var error: Float = 0
            for i in 0..<n { error = max(error, (qp[i] - total).magnitude) }
            if error < 0.005 / Float(n) { return }
            for i in 0..<n {
                let change = (total - qp[i]) / q[i * n + i]
                p[i] += change
                total =
                    (total + change * (change * q[i * n + i] + 2 * qp[i])) / (1 + change)
                    / (1 + change)
                for j in 0..<n {
                    qp[j] = (qp[j] + change * q[i * n + j]) / (1 + change)
                    p[j] /= 1 + change
                }
            }
        }
    }
}
