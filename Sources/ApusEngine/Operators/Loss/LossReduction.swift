internal import ApusCore

/// What the two losses share: classes along axis 1, a target class per position, an optional weight
/// per class, an ignored class, and how the positions' losses become one.
///
/// - Source: ONNX NegativeLogLikelihoodLoss, opset 22; SoftmaxCrossEntropyLoss, opset 13.
struct LossReduction: Sendable {
    private enum Reduction: String { case none, sum, mean }
    private let reduction: Reduction
    private let ignored: Int?

    init(_ node: NodeReader) throws(EngineError) {
        let name = try node.string("reduction", default: "mean")
        guard let reduction = Reduction(rawValue: name) else {
            throw node.fail("reduction is \"\(name)\", not none, sum or mean")
        }
        self.reduction = reduction
        ignored = try node.int("ignore_index")
    }

    /// Scores `[batch, classes, inner...]` as they lie in memory.
    struct Geometry: Sendable {
        var batch: Int
        var classes: Int
        var inner: Int
        var positions: Int

        /// Offset of class 0 at a position.
        @inline(__always)
        func offset(_ position: Int) -> Int {
            position / inner * inner * classes + position % inner
        }
    }

    func geometry(_ inputs: PlanInputs) throws(EngineError) -> Geometry {
        let shape = try inputs.shape(0)
        let targets = try inputs.shape(1)
        guard shape.count >= 2, targets == [shape[0]] + shape[2...] else {
            throw inputs.fail("scores of shape \(shape) do not fit targets of shape \(targets)")
        }
        if inputs.has(2) {
            let weights = try inputs.tensor(2)
            guard weights.shape == [shape[1]], weights.dataType == (try inputs.dataType(0)) else {
                throw inputs.fail(
                    "weights have type \(weights.dataType) and shape \(weights.shape), expected "
                        + "\(try inputs.dataType(0)) and [\(shape[1])]")
            }
        }
        return Geometry(
            batch: shape[0], classes: shape[1], inner: Array(shape[2...]).elementCount,
            positions: targets.elementCount)
    }

    func lossShape(_ inputs: PlanInputs) throws(EngineError) -> Shape {
        let shape = try inputs.shape(0)
        _ = try geometry(inputs)
        return reduction == .none ? [shape[0]] + shape[2...] : []
    }

    /// Reads a position's target; nil for the ignored class.
    struct Targets: Sendable {
        fileprivate let isWide: Bool
        fileprivate let ignored: Int?
        fileprivate let classes: Int
        fileprivate let inputs: PlanInputs

        @inline(__always)
        func callAsFunction(
            _ targets: UnsafeRawPointer, _ position: Int
        ) throws(EngineError) -> Int? {
            let target =
                isWide
                ? Int(targets.assumingMemoryBound(to: Int64.self)[position])
                : Int(targets.assumingMemoryBound(to: Int32.self)[position])
            if target == ignored { return nil }
            guard target >= 0, target < classes else {
                throw inputs.fail("target \(target) is not in 0..<\(classes)")
            }
            return target
        }
    }

    func targets(_ inputs: PlanInputs, classes: Int) throws(EngineError) -> Targets {
        let type = try inputs.dataType(1)
        guard type == .int64 || type == .int32 else {
            throw inputs.fail("targets have type \(type), expected int64 or int32")
        }
        return Targets(isWide: type == .int64, ignored: ignored, classes: classes, inputs: inputs)
    }

    /// Adds the steps that weigh and join the losses that an earlier step left in `losses`, one
    /// `Double` per position and then one weight per position. Sums run in the order of positions.
    func addSteps<Element: FloatNumber>(
        _ losses: BufferSlot, _ geometry: Geometry, _ type: Element.Type,
        _ builder: inout StepBuilder
    ) {
        let count = geometry.positions
        if reduction == .none {
            builder.addParallelStep(count: count, grain: 1024) { frame, range in
                let values = frame.memory(losses, as: Double.self)
                let y = frame.output(0, as: Element.self)
                for i in range { y[i] = Element(storing: Element.Value(fromDouble: values[i])) }
            }
            return
        }
        let isMean = reduction == .mean
        builder.addStep(isSerial: true, operationCount: count * 2) { frame in
            let values = frame.memory(losses, as: Double.self)
            var total = 0.0
            var weight = 0.0
            frame.forEachPiece(of: 0..<count, length: StepPiece.operationCount) { piece in
                for i in piece {
                    total += values[i]
                    weight += values[count + i]
                }
            }
            let result = isMean ? total / weight : total
            frame.output(0, as: Element.self)[0] =
                Element(storing: Element.Value(fromDouble: result))
        }
    }
}

extension StepBuilder {
    /// A temporary for a loss and a weight per position, both `Double`.
    mutating func lossMemory(_ geometry: LossReduction.Geometry) throws(EngineError) -> BufferSlot {
        let (byteCount, overflow) = geometry.positions.multipliedReportingOverflow(by: 16)
        guard !overflow else { throw inputs.fail("\(geometry.positions) targets are too many") }
        return try temporary(byteCount: byteCount)
    }
}
