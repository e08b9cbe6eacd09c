import ApusCore

/// A node with its operator.
struct BoundNode: Sendable {
    let node: Node
    let op: any Operator
    /// Names of outer values that the node's sub-graphs use.
    let captures: [String]
    /// In its program; -1 for a node on its own.
    var number = -1
}

/// A graph bound to operators: the model itself, or the body of a control-flow node. Immutable, but
/// for the cache of plans.
public final class Program: Sendable {
    /// What goes into a graph and comes out.
    struct Interface: Sendable {
        let inputs: [GraphValue]
        let outputs: [GraphValue]
    }

    let graph: Interface
    /// By name.
    let constants: [String: ModelConstant]
    let nodes: [BoundNode]
    /// Names of values that come from an outer graph, in the order they follow the inputs.
    let captures: [String]
    /// For each value name, the index of the last node that reads it; `Int.max` for outputs.
    let lastUse: [String: Int]
    let plans = PlanCache()
    /// By its first node: a region, or nil where there is none.
    private let regions = Guarded<[Int: PlannedRegion?]>([:])

    /// - Throws: `EngineError.unsupportedOperator`, `.invalidNode`, or `.invalidGraph` for a cycle, a
    ///   value that is made twice, or nesting over 64 deep.
    public init(_ graph: Graph, depth: Int = 0) throws(EngineError) {
        guard depth < 64 else { throw .invalidGraph("sub-graphs are nested over 64 deep") }
        var known = Set(graph.inputs.map(\.name))
        known.formUnion(graph.initializers.keys)
        var free: [String] = []
        var freeNames = Set<String>()
        var bound: [BoundNode] = []
        var made = known
        for node in graph.nodes {
            for name in node.outputs where !name.isEmpty {
                guard made.insert(name).inserted else {
                    throw .invalidGraph("value \"\(name)\" is made twice")
                }
            }
        }
        for node in try Self.sorted(graph.nodes, known: known, made: made) {
            let op = try OperatorTable.makeOperator(NodeReader(node, depth: depth))
            var captures: [String] = []
            if let control = op as? any ControlFlowOperator {
                var seen = Set<String>()
                captures = control.bodies.flatMap(\.captures).filter { seen.insert($0).inserted }
            }
            for name in node.inputs + captures where !name.isEmpty && !known.contains(name) {
                if freeNames.insert(name).inserted { free.append(name) }
            }
            known.formUnion(node.outputs)
            bound.append(
                BoundNode(
                    node: node.withoutAttributes(), op: op, captures: captures,
                    number: bound.count))
        }
        for output in graph.outputs where !known.contains(output.name) {
            if freeNames.insert(output.name).inserted { free.append(output.name) }
        }
        var lastUse: [String: Int] = [:]
        for (index, node) in bound.enumerated() {
            for name in node.node.inputs + node.captures { lastUse[name] = index }
        }
        for output in graph.outputs { lastUse[output.name] = Int.max }
        self.graph = Interface(inputs: graph.inputs, outputs: graph.outputs)
        self.constants = Self.constants(of: graph, bound)
        self.nodes = bound
        self.captures = free
        self.lastUse = lastUse
    }

    /// Whether the same inputs give the same outputs each time.
    var isDeterministic: Bool { nodes.allSatisfy(\.op.isDeterministic) }

    /// The region that starts at a node, found when the node is first reached.
    func region(
        at index: Int, _ values: [String: Value], _ session: RunSession
    ) -> PlannedRegion? {
        if let known = regions.withLock({ $0[index] }) { return known }
        let found = PlannedRegion.find(in: self, at: index, values, session)
        if found.isFinal { regions.withLock { $0[index] = .some(found.region) } }
        return found.region
    }

    /// Throws plans out, those of regions and sub-graphs too, until each cache takes at most this many
    /// bytes.
    func shrinkPlans(toByteCount byteCount: Int) {
        plans.shrink(toByteCount: byteCount)
        for case .some(let region) in regions.withLock({ Array($0.values) }) {
            region.plans.shrink(toByteCount: byteCount)
        }
        for case let control as any ControlFlowOperator in nodes.map(\.op) {
            for body in control.bodies { body.shrinkPlans(toByteCount: byteCount) }
        }
    }

    /// The nodes in an order in which every value is made before it is read. ONNX demands that the
    /// file has one; files that do not are sorted, cycles refused.
    private static func sorted(
        _ nodes: [Node], known: Set<String>, made: Set<String>
    ) throws(EngineError) -> [Node] {
        var maker: [String: Int] = [:]
        for (index, node) in nodes.enumerated() {
            for name in node.outputs where !name.isEmpty { maker[name] = index }
        }
        var missing = [Int](repeating: 0, count: nodes.count)
        var readers: [[Int]] = Array(repeating: [], count: nodes.count)
        for (index, node) in nodes.enumerated() {
            for name in Set(node.inputs + node.freeNamesOfBodies()) {
                guard let source = maker[name] else { continue }
                missing[index] += 1
                readers[source].append(index)
            }
        }
        var result: [Node] = []
        if missing.enumerated().allSatisfy({ index, count in
            count == 0 || readers[index].allSatisfy { $0 > index }
        }) && !readers.enumerated().contains(where: { index, all in all.contains { $0 <= index } })
        {
            return nodes
        }
        var ready = nodes.indices.filter { missing[$0] == 0 }
        while let index = ready.popLast() {
            result.append(nodes[index])
            for reader in readers[index] {
                missing[reader] -= 1
                if missing[reader] == 0 { ready.append(reader) }
            }
        }
        guard result.count == nodes.count else {
            let stuck = nodes.indices.first { missing[$0] > 0 }.map { nodes[$0].label } ?? "?"
            throw .invalidGraph("the nodes form a cycle through \(stuck)")
        }
        return result
    }
}

extension Node {
    /// Whether an attribute is a graph.
    var hasBodies: Bool {
        attributes.values.contains {
            switch $0 {
            case .graph, .graphs: true
            default: false
            }
        }
    }

    /// The node without what its operator has taken over: sub-graphs with their constants, trees.
    func withoutAttributes() -> Node {
        var bare = self
        bare.attributes = [:]
        return bare
    }

    /// Names that the node's sub-graphs read from outside, without looking into operators.
    func freeNamesOfBodies() -> [String] {
        var names: [String] = []
        for attribute in attributes.values {
            switch attribute {
            case .graph(let graph): names += graph.freeNames()
            case .graphs(let graphs): names += graphs.flatMap { $0.freeNames() }
            default: break
            }
        }
        return names
    }
}

extension Graph {
    /// Names that are read but made neither here nor by an input.
    func freeNames() -> [String] {
        var made = Set(inputs.map(\.name)).union(initializers.keys)
        for node in nodes { made.formUnion(node.outputs) }
        let read = nodes.flatMap { $0.inputs + $0.freeNamesOfBodies() } + outputs.map(\.name)
        return Set(read).filter { !made.contains($0) && !$0.isEmpty }
    }
}
