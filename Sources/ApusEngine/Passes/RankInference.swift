import ApusCore

/// How many dimensions the values of a graph have, where operators, constants and the graph's inputs
/// tell. Shapes that the file gives for inner values are not asked: whoever edits a graph leaves old
/// ones behind, and a wrong rank would give wrong numbers.
///
/// Values whose rank depends on contents, and those of operators without a rule here, are unknown.
struct RankInference {
    private(set) var ranks: [String: Int] = [:]
    /// How many elements values of one dimension have: those that say a shape, or axes.
    private var lengths: [String: Int] = [:]

    init(_ graph: Graph) {
        for (name, tensor) in graph.initializers {
            ranks[name] = tensor.shape.count
            if tensor.shape.count == 1 { lengths[name] = Self.possible(tensor.shape[0]) }
        }
        // Requests are checked against these.
        for value in graph.inputs {
            ranks[value.name] = value.shape?.count
            if let shape = value.shape, shape.count == 1 {
                lengths[value.name] = Self.possible(shape[0])
            }
        }
        for node in graph.nodes where node.domain.isEmpty || node.domain == "apus" {
            guard let output = node.outputs.first else { continue }
            let rank = rank(of: node).flatMap(Self.possible)
            if !output.isEmpty { ranks[output] = rank }
            if node.opType == "Split" {
                for other in node.outputs.dropFirst() where !other.isEmpty { ranks[other] = rank }
            }
            if rank == 1, !output.isEmpty {
                lengths[output] = length(of: node).flatMap(Self.possible)
            }
        }
    }

    /// Ranks, and the lengths that become ranks: what is larger would overflow in a chain of nodes that
    /// each double it.
    private static func possible(_ number: Int) -> Int? {
        (0...Shape.rankMax).contains(number) ? number : nil
    }

    private func rank(_ node: Node, _ input: Int) -> Int? {
        input < node.inputs.count ? ranks[node.inputs[input]] : nil
    }

    private func length(_ node: Node, _ input: Int) -> Int? {
        input < node.inputs.count ? lengths[node.inputs[input]] : nil
    }

    // MARK: Ranks

    /// The rank of a node's first output.
    private func rank(of node: Node) -> Int? {
        if Self.keepsRank.contains(node.opType) { return rank(node, 0) }
        if Self.broadcasts.contains(node.opType) {
            let known = node.inputs.compactMap { ranks[$0] }
            return known.count == node.inputs.count ? known.max() : nil
        }
        if node.opType.hasPrefix("Reduce") { return reducedRank(node) }
        switch node.opType {
        case "Conv", "ConvTranspose": return rank(node, 0) ?? rank(node, 1)
        case "MatMul": return productRank(node)
        case "Gemm", "Flatten", "NonZero": return 2
        case "Shape", "Range": return 1
        case "Size": return 0
        case "Reshape", "ConstantOfShape":
            // Before opset 5 the shape is an attribute.
            if case .ints(let shape)? = node.attributes["shape"] { return shape.count }
            return length(node, node.opType == "Reshape" ? 1 : 0)
        case "Expand":
            guard let own = rank(node, 0), let length = length(node, 1) else { return nil }
            return max(own, length)
        case "Gather":
            guard let data = rank(node, 0), let indices = rank(node, 1) else { return nil }
            return data + indices - 1
        case "ArgMax", "ArgMin":
            return rank(node, 0).map { keepsDimensions(node) ? $0 : $0 - 1 }
        case "OneHot": return rank(node, 0).map { $0 + 1 }
        case "Squeeze", "Unsqueeze":
            guard let own = rank(node, 0), let count = axisCount(node) else { return nil }
            return node.opType == "Squeeze" ? own - count : own + count
        default: return nil
        }
    }

    private func productRank(_ node: Node) -> Int? {
        guard let left = rank(node, 0), let right = rank(node, 1) else { return nil }
        // A vector's only dimension is summed over, and with it one of the other's.
        return left == 1 || right == 1 ? left + right - 2 : max(left, right)
    }

    private func reducedRank(_ node: Node) -> Int? {
        if keepsDimensions(node) { return rank(node, 0) }
        guard let own = rank(node, 0), let count = axisCount(node), count > 0 else { return nil }
        return own - count
    }

    private func keepsDimensions(_ node: Node) -> Bool {
        if case .int(0)? = node.attributes["keepdims"] { return false }
        return true
    }

    /// How many axes an attribute or the second input names; nil if neither does.
    private func axisCount(_ node: Node) -> Int? {
        if case .ints(let axes)? = node.attributes["axes"] { return Set(axes).count }
        return length(node, 1)
    }

    // MARK: Lengths

    /// The length of a node's first output, which has one dimension.
    private func length(of node: Node) -> Int? {
        switch node.opType {
        case "Shape":
            let isWhole = node.attributes["start"] == nil && node.attributes["end"] == nil
            return isWhole ? rank(node, 0) : nil
        case "Cast", "Identity", "Neg", "Abs": return length(node, 0)
        case "Add", "Sub", "Mul", "Div", "Max", "Min", "Equal", "Where":
            // Numbers and single elements broadcast.
            let known = node.inputs.compactMap { ranks[$0] == 0 ? 1 : lengths[$0] }
            return known.count == node.inputs.count ? known.first { $0 != 1 } ?? 1 : nil
        case "Gather": return rank(node, 1) == 1 ? length(node, 1) : nil
        case "Unsqueeze": return rank(node, 0) == 0 ? 1 : nil
        case "Concat":
            let known = node.inputs.compactMap { lengths[$0] }
            return known.count == node.inputs.count ? known.reduce(0, +) : nil
        default: return nil
        }
    }

    // MARK: Operators

    private static let keepsRank: Set<String> = [
        "Abs", "AveragePool", "BatchNormalization", "Cast", "CastLike", "Ceil", "Celu", "Clip",
        "Concat", "Cos", "CumSum", "DepthToSpace", "DequantizeLinear", "Dropout", "Elu", "Erf",
        "Exp", "Floor", "Gelu", "GlobalAveragePool", "GlobalMaxPool", "GroupNormalization",
        "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "LRN",
        "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax", "LpNormalization", "MaxPool",
        "Mish", "Neg", "Not", "PRelu", "Pad", "QuantizeLinear", "RMSNormalization", "Reciprocal",
        "Relu", "Resize", "Round", "ScatterElements", "ScatterND", "Selu", "Sigmoid", "Sign",
        "Sin", "Slice", "Softmax", "Softplus", "Softsign", "SpaceToDepth", "Split", "Sqrt",
        "Swish", "Tanh", "ThresholdedRelu", "Tile", "Transpose", "Trilu", "Upsample",
    ]
    private static let broadcasts: Set<String> = [
        "Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max",
        "Mean", "Min", "Mod", "Mul", "Or", "Pow", "Sub", "Sum", "Where", "Xor",
    ]
}
