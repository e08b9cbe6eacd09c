/// Removes nodes and constants that no output depends on.
struct EliminateDeadNodes: GraphPass {
    func apply(to graph: inout Graph, _ session: RunSession) throws(EngineError) {
        var maker: [String: Int] = [:]
        for (index, node) in graph.nodes.enumerated() {
            for name in node.outputs where !name.isEmpty { maker[name] = index }
        }
        var alive = Set<String>()
        var kept = Set<Int>()
        var open = graph.outputs.map(\.name)
        while let name = open.popLast() {
            guard alive.insert(name).inserted, let index = maker[name],
                kept.insert(index).inserted
            else { continue }
            open += graph.nodes[index].inputs + graph.nodes[index].freeNamesOfBodies()
        }
        graph.nodes = graph.nodes.enumerated().filter { kept.contains($0.offset) }.map(\.element)
        graph.initializers = graph.initializers.filter { alive.contains($0.key) }
    }
}
