/// Refuses a graph in which a value is made twice, before other passes drop one of its makers.
///
/// - Source: ONNX IR specification, "Graphs": single static assignment.
struct CheckSingleAssignment: GraphPass {
    func apply(to graph: inout Graph, _ session: RunSession) throws(EngineError) {
        var made = Set(graph.inputs.map(\.name))
        made.formUnion(graph.initializers.keys)
        for name in graph.nodes.lazy.flatMap(\.outputs) where !name.isEmpty {
            guard made.insert(name).inserted else {
                throw .invalidGraph("value \"\(name)\" is made twice")
            }
        }
    }
}
