internal import ApusCore

/// How the weights of the leaves that a row reaches become one score per target.
enum TreeAggregation: Int, Sendable {
    case average, sum, min, max
}

/// An ensemble of trees, checked and laid out: what TreeEnsembleRegressor, TreeEnsembleClassifier and
/// TreeEnsemble share.
///
/// A leaf has one weight per target. Where a file gives several for the only target (skl2onnx does for
/// `decision_leaf` and `decision_path`), the first counts, as in onnxruntime; for one of many targets
/// their sum does, there too.
///
/// Scores are added in the order of the trees, one row at a time: they do not depend on the batch or
/// the threads. Features are compared and weights added in `float`, in `double` where the input is.
final class TreeEnsembleModel: Sendable {
    /// One weight of a leaf.
    struct Weight: Sendable {
        var target: Int
        var weight: Double
    }

    let layout: TreeLayout
    let targetCount: Int
    let aggregation: TreeAggregation
    /// The weights of leaf `i` are `leafStarts[i] ..< leafStarts[i + 1]`.
    private let leafStarts: [Int32]
    private let targets: [Int32]
    private let weights: [Double]
    private let single = Guarded<WalkableTrees<Float>?>(nil)
    private let double = Guarded<WalkableTrees<Double>?>(nil)

    /// Rows that walk the trees together: fewer where their scores would fill the cache.
    private var rowBlock: Int { max(1, min(64, (1 << 18) / targetCount)) }

    init(
        _ source: TreeNodes, leaves: [[Weight]], targetCount: Int, aggregation: TreeAggregation,
        _ reader: NodeReader
    ) throws(EngineError) {
        guard !source.roots.isEmpty else { throw reader.fail("has no trees") }
        guard targetCount > 0, targetCount <= 1 << 24 else {
            throw reader.fail("has \(targetCount) targets, which is not in 1...\(1 << 24)")
        }
        layout = try TreeLayout(source, reader)
        self.targetCount = targetCount
        self.aggregation = aggregation
        var starts: [Int32] = [0]
        var kept: [Weight] = []
        for leaf in leaves {
            for weight in leaf where weight.target < 0 || weight.target >= targetCount {
                throw reader.fail(
                    "has a weight for target \(weight.target), which is not in "
                        + "0..<\(targetCount)")
            }
            kept += targetCount == 1 ? leaf.prefix(1) : leaf[...]
            starts.append(Int32(kept.count))
        }
        leafStarts = starts
        targets = kept.map { Int32($0.target) }
        weights = kept.map(\.weight)
    }

    private func walkable<Real: TreeNumber>(
        _ type: Real.Type, _ cache: Guarded<WalkableTrees<Real>?>
    ) throws(EngineError) -> WalkableTrees<Real> {
        if let found = cache.withLock({ $0 }) { return found }
        let made = try WalkableTrees<Real>(layout, weights: weights)
        cache.withLock { $0 = $0 ?? made }
        return made
    }

    /// The sums (or other aggregates) of one row in all targets.
    struct RowScores<Real: TreeNumber> {
        let scores: UnsafeMutablePointer<Real>
        /// 1 where any leaf had a weight for the target.
        let has: UnsafeMutablePointer<UInt8>
    }

    /// Adds the step that computes scores and hands each row to `finish`, on any thread.
    func plan<Finish: TreeFinish>(
        _ builder: inout StepBuilder, _ finish: Finish
    ) throws(EngineError) {
        let rows = try FeatureRows(builder.inputs)
        guard rows.columnCount >= layout.columnCountMin else {
            throw builder.inputs.fail(
                "the input has \(rows.columnCount) columns, the trees need "
                    + "\(layout.columnCountMin)")
        }
        if rows.dataType == .double {
            try plan(&builder, rows, finish, walkable(Double.self, double))
        } else {
            try plan(&builder, rows, finish, walkable(Float.self, single))
        }
    }

    private func plan<Real: TreeNumber, Finish: TreeFinish>(
        _ builder: inout StepBuilder, _ rows: FeatureRows, _ finish: Finish,
        _ trees: WalkableTrees<Real>
    ) throws(EngineError) {
        let widest = trees.blocks.map(\.count).max() ?? 0
        let block = rowBlock
        let scoreBytes = block * targetCount * MemoryLayout<Real>.stride
        let leafBytes = block * widest * 4
        let hasBytes = block * targetCount
        let convertsRows = rows.scratchByteCount > 0 && Real.self == Float.self
        let rowBytes = convertsRows ? block * rows.columnCount * 4 : 0
        let rounded = { (count: Int) in (count + 63) & ~63 }
        let offsets = [0, rounded(scoreBytes), rounded(scoreBytes) + rounded(leafBytes)]
        let rowOffset = offsets[2] + rounded(hasBytes)
        let kernels = builder.kernels
        builder.addParallelStep(
            count: rows.rowCount, grain: 8, pieceGrain: block,
            scratchByteCount: rowOffset + rounded(rowBytes),
            operationCount: rows.rowCount &* trees.treeCount &* 40
        ) { [self] frame, range in
            let scratch = UnsafeMutableRawPointer(frame.scratch(as: UInt8.self))
            let scores = scratch.assumingMemoryBound(to: Real.self)
            let leaves = (scratch + offsets[1]).assumingMemoryBound(to: UInt32.self)
            let has = (scratch + offsets[2]).assumingMemoryBound(to: UInt8.self)
            let converted = (scratch + rowOffset).assumingMemoryBound(to: Float.self)
            var first = range.lowerBound
            while first < range.upperBound {
                let count = min(block, range.upperBound - first)
                var x = frame.input(0, as: Real.self) + first * rows.columnCount
                if convertsRows {
                    for row in 0..<count {
                        _ = rows.floats(
                            frame, row: first + row, scratch: converted + row * rows.columnCount)
                    }
                    x = UnsafeRawPointer(converted).assumingMemoryBound(to: Real.self)
                }
                scores.update(repeating: 0, count: count * targetCount)
                has.update(repeating: 0, count: count * targetCount)
                for part in trees.blocks {
                    if frame.isCancelled { return }
                    trees.leaves(
                        kernels, part, x, rowStride: rows.columnCount, rowCount: count, leaves)
                    aggregate(trees, leaves, part.count, count, scores, has)
                }
                for row in 0..<count {
                    let own = RowScores(
                        scores: scores + row * targetCount, has: has + row * targetCount)
                    if aggregation == .average {
                        for target in 0..<targetCount {
                            own.scores[target] /= Real(trees.treeCount)
                        }
                    }
                    finish(frame, row: first + row, own)
                }
                first += count
            }
        }
    }

    /// Takes the weights of the leaves in, tree after tree.
    private func aggregate<Real: TreeNumber>(
        _ trees: WalkableTrees<Real>, _ leaves: UnsafePointer<UInt32>, _ treeCount: Int,
        _ rowCount: Int, _ scores: UnsafeMutablePointer<Real>, _ has: UnsafeMutablePointer<UInt8>
    ) {
        leafStarts.withUnsafeBufferPointer { starts in
            targets.withUnsafeBufferPointer { targets in
                trees.weights.withUnsafeBufferPointer { weights in
                    for row in 0..<rowCount {
                        let scores = scores + row * targetCount
                        let has = has + row * targetCount
                        for tree in 0..<treeCount {
                            let leaf = Int(leaves[row * treeCount + tree])
                            for i in Int(starts[leaf])..<Int(starts[leaf + 1]) {
                                let target = Int(targets[i])
                                scores[target] = combined(
                                    scores[target], weights[i], isFirst: has[target] == 0)
                                has[target] = 1
                            }
                        }
                    }
                }
            }
        }
    }

    @inline(__always)
    private func combined<Real: TreeNumber>(
        _ score: Real, _ weight: Real, isFirst: Bool
    ) -> Real {
        switch aggregation {
        case .sum, .average: score + weight
        case .min: isFirst || weight < score ? weight : score
        case .max: isFirst || weight > score ? weight : score
        }
    }
}

/// What an operator makes of a row's scores.
protocol TreeFinish: Sendable {
    /// Writes row `row` of the outputs.
    func callAsFunction<Real: TreeNumber>(
        _ frame: StepFrame, row: Int, _ own: TreeEnsembleModel.RowScores<Real>)
}
