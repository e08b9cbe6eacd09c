internal import CApusKernels

/// Where a branch of a tree leads.
enum TreeBranch: Sendable, Equatable {
    case node(Int)
    case leaf(Int)
}

/// The nodes of an ensemble as a model gives them.
struct TreeNodes {
    struct Node {
        var feature: Int
        var mode: apus_tree_mode
        var threshold: Double
        var whenTrue: TreeBranch
        var whenFalse: TreeBranch
        var missingIsTrue: Bool
        /// For `APUS_TREE_MEMBER`: the index of the set.
        var set = 0
    }
    var nodes: [Node] = []
    var roots: [TreeBranch] = []
    var sets: [[Double]] = []
    var leafCount = 0

    /// The same trees, where chains of nodes that ask one feature for one value after another, and
    /// lead to the same place when it is found, are one node that asks for a set: converters of
    /// categorical splits write such chains, whose nodes share a child.
    func joiningChains() -> TreeNodes {
        var next = [Int?](repeating: nil, count: nodes.count)
        var isHead = [Bool](repeating: true, count: nodes.count)
        let parents = parentCounts()
        for (index, node) in nodes.enumerated() where node.mode == APUS_TREE_EQ {
            guard case .node(let other) = node.whenFalse, parents[other] == 1 else { continue }
            let link = nodes[other]
            guard link.mode == node.mode, link.feature == node.feature,
                link.whenTrue == node.whenTrue, link.missingIsTrue == node.missingIsTrue
            else { continue }
            next[index] = other
            isHead[other] = false
        }
        var result = self
        for head in nodes.indices where isHead[head] && next[head] != nil {
            var values = [nodes[head].threshold]
            var last = head
            while let link = next[last] {
                values.append(nodes[link].threshold)
                last = link
            }
            result.nodes[head].mode = APUS_TREE_MEMBER
            result.nodes[head].set = result.sets.count
            result.nodes[head].whenFalse = nodes[last].whenFalse
            result.sets.append(values)
        }
        return result
    }

    /// How many roots and nodes lead to each node.
    private func parentCounts() -> [Int] {
        var counts = [Int](repeating: 0, count: nodes.count)
        for branch in roots + nodes.flatMap({ [$0.whenTrue, $0.whenFalse] }) {
            if case .node(let index) = branch { counts[index] += 1 }
        }
        return counts
    }
}

/// Trees laid out for walking: nodes of a tree together, level by level, siblings side by side.
struct TreeLayout: Sendable {
    /// A node, with what its threshold holds.
    struct Node: Sendable {
        var threshold: Double
        /// A leaf's or set's index, in place of the threshold.
        var index: UInt32?
        var bits: UInt32
        var child: UInt32
    }
    private(set) var nodes: [Node] = []
    private(set) var roots: [UInt32] = []
    let sets: [[Double]]
    let mode: Int32
    let hasMissing: Bool
    /// Columns that the input must have.
    let columnCountMin: Int

    /// Nodes with several parents are laid out once for each; at most this many more than there are
    /// nodes.
    private static let copyCountMax = 1 << 16

    /// - Throws: if a node's feature is out of range, or nodes are reached again and again: by a cycle,
    ///   or from too many parents.
    init(_ given: TreeNodes, _ reader: NodeReader) throws(EngineError) {
        let source = given.joiningChains()
        guard source.nodes.count < 1 << 30, source.leafCount < 1 << 30 else {
            throw reader.fail("has \(source.nodes.count) nodes, at most 2^30 are allowed")
        }
        sets = source.sets.map { $0.filter { !$0.isNaN }.sorted() }
        let modes = Set(source.nodes.map(\.mode.rawValue))
        mode = modes.count == 1 ? Int32(modes.first ?? 0) : -1
        hasMissing = source.nodes.contains { $0.missingIsTrue }
        var largest = 0
        for node in source.nodes {
            guard node.feature >= 0, node.feature <= Int(APUS_TREE_FEATURE_MAX) else {
                throw reader.fail(
                    "attribute \"nodes_featureids\" has feature \(node.feature), which is not in "
                        + "0...\(APUS_TREE_FEATURE_MAX)")
            }
            largest = max(largest, node.feature)
        }
        columnCountMin = largest + 1
        var room = source.nodes.count + Self.copyCountMax
        nodes.reserveCapacity(2 * source.nodes.count + source.roots.count)
        for root in source.roots {
            roots.append(UInt32(nodes.count))
            var open = [root]
            var next = 0
            nodes.append(Self.empty)
            // `open[i]` belongs into slot `first + i`: the queue has the nodes' order.
            let first = nodes.count - 1
            while next < open.count {
                let slot = first + next
                switch open[next] {
                case .leaf(let leaf):
                    nodes[slot] = Node(
                        threshold: 0, index: UInt32(leaf), bits: 0, child: UInt32(slot))
                case .node(let index):
                    guard room > 0 else {
                        throw reader.fail(
                            "has trees in which nodes are reached again and again, by a cycle or "
                                + "from many parents")
                    }
                    room -= 1
                    let node = source.nodes[index]
                    nodes[slot] = Node(
                        threshold: node.threshold,
                        index: node.mode == APUS_TREE_MEMBER ? UInt32(node.set) : nil,
                        bits: Self.bits(node), child: UInt32(nodes.count))
                    open.append(node.whenTrue)
                    open.append(node.whenFalse)
                    nodes.append(Self.empty)
                    nodes.append(Self.empty)
                }
                next += 1
            }
        }
    }

    private static let empty = Node(threshold: 0, index: 0, bits: 0, child: 0)

    private static func bits(_ node: TreeNodes.Node) -> UInt32 {
        UInt32(APUS_TREE_INNER)
            | (node.missingIsTrue ? 1 << UInt32(APUS_TREE_MISSING_SHIFT) : 0)
            | UInt32(node.mode.rawValue) << UInt32(APUS_TREE_MODE_SHIFT)
            | UInt32(node.feature) << UInt32(APUS_TREE_FEATURE_SHIFT)
    }
}
