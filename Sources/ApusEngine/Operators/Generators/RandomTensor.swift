internal import ApusCore

/// Random numbers: ONNX RandomNormal, RandomUniform, and their Like forms, which take shape and type
/// from an input.
///
/// - Types: `float`, `double`, `float16`, `bfloat16`. - Source: ONNX RandomNormal, opset 22.
struct RandomTensor: ValueOperator {
    private let isNormal: Bool
    private let isLike: Bool
    private let shape: Shape
    private let dataType: DataType?
    private let seed: Float?
    /// Mean and deviation, or lowest and highest.
    private let parameters: (Double, Double)

    init(_ node: NodeReader) throws(EngineError) {
        isNormal = node.node.opType.hasPrefix("RandomNormal")
        isLike = node.node.opType.hasSuffix("Like")
        shape = isLike ? [] : try node.ints("shape") ?? []
        let type = try node.dataType("dtype")
        dataType = isLike ? type : type ?? .float
        seed = try node.float("seed")
        let names = isNormal ? ("mean", "scale") : ("low", "high")
        parameters = (
            Double(try node.float(names.0, default: 0)), Double(try node.float(names.1, default: 1))
        )
        guard shape.checkedElementCount != nil else { throw node.fail("shape is not valid") }
    }

    var isDeterministic: Bool { false }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let model = isLike ? try context.tensor(inputs, 0) : nil
        let shape = model?.shape ?? shape
        let type = dataType ?? model?.dataType ?? .float
        try context.reserve(count: shape.elementCount, byteCount: 24)
        var source = RandomSource(seed: seed)
        var values: [Double] = []
        values.reserveCapacity(shape.elementCount)
        try context.forEachPiece(of: 0..<shape.elementCount) { piece in
            for _ in piece {
                values.append(
                    isNormal
                        ? parameters.0 + parameters.1 * source.normal()
                        : parameters.0 + (parameters.1 - parameters.0) * source.uniform())
            }
        }
        return [
            try TensorOfDoubles(shape: shape, dataType: type, values: values, context: context)
                .value()
        ]
    }
}

/// 1 with the probability that each input element gives, else 0.
///
/// - Source: ONNX Bernoulli, opset 22.
struct Bernoulli: ValueOperator {
    private let dataType: DataType?
    private let seed: Float?

    init(_ node: NodeReader) throws(EngineError) {
        dataType = try node.dataType("dtype")
        seed = try node.float("seed")
    }

    var isDeterministic: Bool { false }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let input = try context.tensor(inputs, 0)
        try context.reserve(count: input.elementCount, byteCount: 40)
        guard let probabilities = input.doubles else { throw context.fail("takes numbers only") }
        var source = RandomSource(seed: seed)
        let values = try context.map(probabilities) { source.uniform() < $0 ? 1.0 : 0.0 }
        return [
            try TensorOfDoubles(
                shape: input.shape, dataType: dataType ?? input.dataType, values: values,
                context: context
            ).value()
        ]
    }
}

/// Samples of classes, by rows of unnormalised log-probabilities.
///
/// - Source: ONNX Multinomial, opset 22.
struct Multinomial: ValueOperator {
    private let dataType: DataType
    private let sampleCount: Int
    private let seed: Float?

    init(_ node: NodeReader) throws(EngineError) {
        dataType = try node.dataType("dtype") ?? .int32
        sampleCount = try node.int("sample_size", default: 1)
        seed = try node.float("seed")
        guard sampleCount >= 0 else { throw node.fail("sample_size is negative") }
    }

    var isDeterministic: Bool { false }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let input = try context.tensor(inputs, 0)
        try context.reserve(count: input.elementCount, byteCount: 16)
        guard let logits = input.doubles, input.shape.count == 2, input.shape[1] > 0 else {
            throw context.fail("input 0 must be rows of at least one number")
        }
        let (rows, classes) = (input.shape[0], input.shape[1])
        let (count, overflow) = rows.multipliedReportingOverflow(by: sampleCount)
        guard !overflow else { throw context.fail("sample_size \(sampleCount) is too large") }
        try context.reserve(count: count, byteCount: 40)
        try context.reserve(count: classes, byteCount: 8)
        var source = RandomSource(seed: seed)
        var values: [Double] = []
        for row in 0..<rows {
            let line = logits[row * classes..<(row + 1) * classes]
            let largest = line.max() ?? 0
            var total = 0.0
            let sums = line.map { logit in
                total += Double.exp(logit - largest)
                return total
            }
            let length = max((1 << 20) / classes, 1)
            try context.forEachPiece(of: 0..<sampleCount, length: length) { piece in
                for _ in piece {
                    let point = source.uniform() * total
                    values.append(Double(sums.firstIndex { point < $0 } ?? classes - 1))
                }
            }
        }
        return [
            try TensorOfDoubles(
                shape: [rows, sampleCount], dataType: dataType, values: values, context: context
            ).value()
        ]
    }
}

extension RandomTensor {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        throw RowMixing("draws random numbers")
    }
}

extension Bernoulli {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        throw RowMixing("draws random numbers")
    }
}

extension Multinomial {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        throw RowMixing("draws random numbers")
    }
}
