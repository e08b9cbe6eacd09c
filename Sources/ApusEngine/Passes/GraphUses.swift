import ApusCore

/// Who makes and who reads the values of a graph, and what ranks they have.
struct GraphUses {
    /// Index of the node that makes a value.
    let maker: [String: Int]
    private let readCounts: [String: Int]
    private let ranks: [String: Int]

    init(_ graph: Graph) {
        var maker: [String: Int] = [:]
        var readCounts: [String: Int] = [:]
        for (index, node) in graph.nodes.enumerated() {
            for name in node.outputs where !name.isEmpty { maker[name] = index }
            for name in node.inputs + node.freeNamesOfBodies() where !name.isEmpty {
                readCounts[name, default: 0] += 1
            }
        }
        for output in graph.outputs { readCounts[output.name, default: 0] += 1 }
        self.maker = maker
        self.readCounts = readCounts
        ranks = Self.ranks(of: graph)
    }

    /// Whether one input of one node is all that reads the value; the graph's outputs count, too.
    func isReadOnce(_ name: String) -> Bool { readCounts[name] == 1 }

    /// Whether nothing reads the value.
    func isUnread(_ name: String) -> Bool { readCounts[name] == nil }

    /// The number of dimensions, where that follows from the operators alone.
    func rank(of name: String) -> Int? { ranks[name] }

    private static func ranks(of graph: Graph) -> [String: Int] {
        var ranks: [String: Int] = [:]
        for (name, tensor) in graph.initializers { ranks[name] = tensor.shape.count }
        for value in graph.inputs { ranks[value.name] = value.shape?.count }
        for (name, value) in graph.valueInfo where ranks[name] == nil {
            ranks[name] = value.shape?.count
        }
        for node in graph.nodes {
            guard let output = node.outputs.first, ranks[output] == nil else { continue }
            let inputs = node.inputs.map { ranks[$0] }
            if keepsRank.contains(node.opType) {
                ranks[output] = inputs.first ?? nil
            } else if broadcasts.contains(node.opType) {
                let known = inputs.compactMap { $0 }
                if known.count == inputs.count { ranks[output] = known.max() }
            } else if node.opType == "Conv" || node.opType == "ConvTranspose" {
                ranks[output] = inputs.first.flatMap { $0 } ?? inputs.dropFirst().first ?? nil
            }
        }
        return ranks
    }

    private static let keepsRank: Set<String> = [
        "AveragePool", "BatchNormalization", "Clip", "Concat", "Dropout", "Elu",
        "GlobalAveragePool", "GlobalMaxPool", "HardSigmoid", "HardSwish", "Identity",
        "Gelu", "InstanceNormalization", "LRN", "LayerNormalization", "LeakyRelu", "MaxPool",
        "Mish", "PRelu", "Pad", "Relu",
        "Resize", "Selu", "Sigmoid", "Slice", "Softmax", "Softplus", "Split", "Swish", "Tanh",
        "Upsample",
    ]
    private static let broadcasts: Set<String> = ["Add", "Div", "Max", "Min", "Mul", "Sub", "Sum"]
}
