internal import ApusCore

/// An ensemble of classification trees.
///
/// - Outputs: the label of each row, and a score per class, `[N, classes]` of `float`.
/// - Types: features of `float`, `double`, `int64`, `int32`; labels are `int64` or strings.
/// - Throws: at load for trees with cycles, missing nodes, or attributes of different lengths.
/// - Source: ai.onnx.ml TreeEnsembleClassifier, version 5. What two classes mean, above all when
///   weights are given for one of them only, is onnxruntime's reading.
struct TreeEnsembleClassifier: Classifier {
    let labels: ClassLabels
    let node: Node
    private let model: TreeEnsembleModel
    private let finish: TreeClassification

    init(_ node: NodeReader) throws(EngineError) {
        self.node = node.bare(outputCount: 2)
        labels = try ClassLabels(
            node, numbers: "classlabels_int64s", strings: "classlabels_strings")
        let attributes = TreeAttributes(node)
        model = try attributes.model(
            prefix: "class", targetCount: labels.count, aggregation: .sum)
        let base = try attributes.numbers("base_values")
        guard base.count <= max(labels.count, 2) else {
            throw node.fail(
                "attribute \"base_values\" has \(base.count) values for \(labels.count) classes")
        }
        let classes = Set(try node.ints("class_ids") ?? [])
        finish = TreeClassification(
            base: base, transform: try PostTransform(node), labels: labels,
            hasOneClass: labels.count == 2 && classes.count == 1,
            isPositive: try attributes.numbers("class_weights").allSatisfy { $0 >= 0 })
    }

    func stepOutputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let rowCount = try FeatureRows(inputs).rowCount
        return [
            PlannedTensor(.int64, [rowCount]), PlannedTensor(.float, [rowCount, labels.count]),
        ]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        var finish = finish
        finish.wants = (builder.wants(output: 0), builder.wants(output: 1))
        try model.plan(&builder, finish)
    }
}

/// Makes label and scores of a row's sums.
private struct TreeClassification: TreeFinish {
    let base: [Double]
    let transform: PostTransform
    let classCount: Int
    let table: [Int64]
    let hasTextLabels: Bool
    /// Two classes, but weights for one of them only.
    let hasOneClass: Bool
    /// No weight is negative: the sum of one class is a probability.
    let isPositive: Bool
    var wants = (label: true, scores: true)

    init(
        base: [Double], transform: PostTransform, labels: ClassLabels, hasOneClass: Bool,
        isPositive: Bool
    ) {
        self.base = base
        self.transform = transform
        self.classCount = labels.count
        self.table = labels.table
        self.hasTextLabels = labels.areStrings
        self.hasOneClass = hasOneClass
        self.isPositive = isPositive
    }

    func callAsFunction<Real: TreeNumber>(
        _ frame: StepFrame, row: Int, _ own: TreeEnsembleModel.RowScores<Real>
    ) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: max(classCount, 2)) { buffer in
            guard let spare = buffer.baseAddress else { return }
            let scores =
                wants.scores && classCount > 1
                ? frame.output(1, as: Float.self) + row * classCount : spare
            let label = classCount > 2 ? many(own, scores) : two(own, scores)
            if wants.label { frame.output(0, as: Int64.self)[row] = table[label] }
            if wants.scores && classCount == 1 {
                frame.output(1, as: Float.self)[row] = spare[0]
            }
        }
    }

    /// The index of the first largest score among the classes that have one.
    private func many<Real: TreeNumber>(
        _ own: TreeEnsembleModel.RowScores<Real>, _ scores: UnsafeMutablePointer<Float>
    ) -> Int {
        for (index, value) in base.enumerated() {
            own.scores[index] += Real(value)
            own.has[index] = 1
        }
        var best: Int?
        for index in 0..<classCount where own.has[index] != 0 {
            if best.map({ own.scores[index] > own.scores[$0] }) ?? true { best = index }
        }
        for index in 0..<classCount { scores[index] = Float.converted(from: own.scores[index]) }
        transform.apply(scores, classCount)
        return best ?? 0
    }

    /// One or two classes.
    private func two<Real: TreeNumber>(
        _ own: TreeEnsembleModel.RowScores<Real>, _ scores: UnsafeMutablePointer<Float>
    ) -> Int {
        var first = own.scores[0]
        var second = classCount == 2 ? own.scores[1] : 0
        let hasFirst = own.has[0] != 0 || classCount == 1
        let hasSecond = classCount == 2 && own.has[1] != 0
        var isPair = classCount == 2 && (hasSecond || base.count == 2)
        switch base.count {
        case 2 where classCount == 1:
            first += Real(base[1])
            isPair = false
        case 2 where hasSecond:
            second = Real(base[1]) + first
            first = -second
        case 2:
            first += Real(base[0])
            second += Real(base[1])
        case 1: first += Real(base[0])
        default: break
        }
        let (label, pair) = decision(hasSecond ? second : hasFirst ? first : 0)
        if isPair {
            scores[0] = hasFirst ? Float.converted(from: first) : 0
            scores[1] = hasSecond ? Float.converted(from: second) : 0
            transform.apply(scores, 2)
        } else {
            transform.applyPair(Float.converted(from: first), pair, scores)
        }
        return label
    }

    private func decision<Real: TreeNumber>(_ score: Real) -> (label: Int, PostTransform.Pair) {
        if hasOneClass {
            return isPositive
                ? (score > 0.5 ? 1 : 0, .complement) : (score > 0 ? 1 : 0, .opposite)
        }
        // Not a number among the labels but a plain 0 or 1; strings go by index.
        let isHigh = score > 0
        let label =
            hasTextLabels && classCount == 2 ? (isHigh ? 1 : 0) : classCount + (isHigh ? 1 : 0)
        return (label, classCount == 2 && base.isEmpty ? .opposite : .alone)
    }
}
