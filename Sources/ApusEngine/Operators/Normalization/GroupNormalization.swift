internal import ApusCore

/// Groups of channels normalised to mean 0 and variance 1, then scaled and shifted by channel (by
/// group before opset 21): `y = (x - mean) / √(variance + epsilon) * scale + bias`.
/// InstanceNormalization has one channel per group.
///
/// - Shapes: `x` is `[N, C, D1...]`; scale and bias are `[C]` or `[num_groups]`.
/// - Types: `float`, `double`, `float16`, `bfloat16`; the half precision types compute in `float`.
/// - Source: ONNX GroupNormalization, opset 21; InstanceNormalization, opset 22.
struct GroupNormalization: StepOperator {
    private let epsilon: Float
    /// Nil if every channel is a group.
    private let groupCount: Int?
    private let scalesGroups: Bool

    init(_ node: NodeReader) throws(EngineError) {
        epsilon = try node.float("epsilon", default: 1e-5)
        let isInstance = node.node.opType == "InstanceNormalization"
        scalesGroups = !isInstance && node.opsetVersion < 21
        groupCount = isInstance ? nil : try node.int("num_groups")
        guard isInstance || (groupCount ?? 0) > 0 else {
            throw node.fail("attribute \"num_groups\" must be a positive integer")
        }
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        guard source.shape.count >= 2 else {
            throw inputs.fail("input 0 has rank \(source.shape.count), expected 2 or more")
        }
        let channels = source.shape[1]
        let groups = groupCount ?? channels
        guard groups == 0 || channels % groups == 0 else {
            throw inputs.fail("\(channels) channels do not make \(groups) groups")
        }
        for index in 1..<3 {
            let shape = try inputs.shape(index)
            guard shape.elementCount == (scalesGroups ? groups : channels) else {
                throw inputs.fail(
                    "input \(index) has shape \(shape), expected one element per "
                        + (scalesGroups ? "group" : "channel"))
            }
        }
        return [source]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let type = try builder.inputs.dataType(0)
        switch type {
        case .float: try plan(Float.self, &builder)
        case .double: try plan(Double.self, &builder)
        case .float16: try plan(Float16.self, &builder)
        case .bfloat16: try plan(BFloat16.self, &builder)
        default: throw builder.inputs.fail("elements of type \(type) are not supported")
        }
    }

    private func plan<Element: FloatNumber>(
        _ type: Element.Type, _ builder: inout StepBuilder
    ) throws(EngineError) {
        let shape = try builder.inputs.shape(0)
        let groups = max(groupCount ?? shape[1], 1)
        let channels = shape[1] / groups
        let inner = Array(shape[2...]).elementCount
        let lines = LineShape(outer: shape[0] * groups, length: channels * inner)
        let scale = try builder.parameter(1, as: Element.Value.self)
        let bias = try builder.parameter(2, as: Element.Value.self)
        let rows = RowMath<Element.Value>(builder.kernels)
        let (epsilon, scalesGroups) = (Element.Value(epsilon), scalesGroups)
        builder.addLines(lines, of: type, worksInPlace: true, operationsPerElement: 8) {
            frame, x, y, line in
            let n = Element.Value(lines.length)
            let mean = rows.sum(x, lines.length) / n
            let variance = rows.sumOfSquares(x, around: mean, lines.length) / n
            let inverse = 1 / (variance + epsilon).squareRoot()
            let (scale, bias) = (scale.pointer(frame), bias.pointer(frame))
            let group = line % groups
            for c in 0..<channels {
                let parameter = scalesGroups ? group : group * channels + c
                var factor = inverse * scale[parameter]
                var shift = bias[parameter] - mean * factor
                rows.affine(
                    x + c * inner, scale: &factor, shift: &shift, step: 0, y + c * inner, inner)
            }
        }
    }
}

extension GroupNormalization {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.items()]
    }
}
