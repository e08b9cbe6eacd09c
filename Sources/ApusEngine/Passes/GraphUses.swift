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
        ranks = RankInference(graph).ranks
    }

    /// Whether one input of one node is all that reads the value; the graph's outputs count, too.
    func isReadOnce(_ name: String) -> Bool { readCounts[name] == 1 }

    /// Whether nothing reads the value.
    func isUnread(_ name: String) -> Bool { readCounts[name] == nil }

    /// The number of dimensions, where that follows from inputs, constants and operators alone.
    func rank(of name: String) -> Int? { ranks[name] }
}
