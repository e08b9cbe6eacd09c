import ApusCore

/// A pass that lets a product with constant weights do what the one node that reads its result does.
/// The fused node is the engine's own `apus.MatMul`, at the place of the second node.
protocol ProductFusion: GraphPass {
    /// The product that does both, or nil if it cannot.
    ///
    /// - Parameter position: of the product's result among the follower's inputs.
    func fused(
        _ product: FusibleProduct, _ follower: Node, at position: Int, _ graph: Graph
    ) throws(EngineError) -> FusibleProduct?
}

extension ProductFusion {
    func apply(to graph: inout Graph, _ session: RunSession) throws(EngineError) {
        let uses = GraphUses(graph)
        var nodes: [Node?] = graph.nodes
        for index in nodes.indices {
            guard let follower = nodes[index], follower.domain.isEmpty,
                follower.outputs.count == 1
            else { continue }
            // The product that comes last: what else the follower reads is there already.
            let order = follower.inputs.indices.sorted {
                (uses.maker[follower.inputs[$0]] ?? -1, $0)
                    > (uses.maker[follower.inputs[$1]] ?? -1, $1)
            }
            for position in order {
                let name = follower.inputs[position]
                guard let maker = uses.maker[name], uses.isReadOnce(name),
                    let node = nodes[maker],
                    let product = FusibleProduct(node, graph.initializers),
                    var made = try fused(product, follower, at: position, graph)
                else { continue }
                made.node.name = node.name
                made.node.outputs = follower.outputs
                nodes[maker] = nil
                nodes[index] = made.node
                break
            }
        }
        graph.nodes = nodes.compactMap { $0 }
    }
}

/// A MatMul or Gemm with a constant matrix of `float` on the right, seen as `apus.MatMul`.
struct FusibleProduct {
    var node: Node
    /// N.
    let columns: Int

    init?(_ node: Node, _ constants: [String: Tensor]) {
        guard node.opType == "MatMul" || node.opType == "Gemm", node.inputs.count >= 2,
            node.outputs.count == 1, let weights = constants[node.inputs[1]],
            weights.dataType == .float, weights.shape.count == 2
        else { return nil }
        let isTransposed = node.attributes["transB"]?.isTrue ?? false
        columns = weights.shape[isTransposed ? 0 : 1]
        self.node = node
        switch node.domain {
        case "apus": return
        case "": break
        default: return nil
        }
        if node.opType == "Gemm" {
            guard !(node.attributes["transA"]?.isTrue ?? false),
                node.attributes["alpha"]?.isOne ?? true, node.attributes["beta"]?.isOne ?? true
            else { return nil }
            if let bias = node.inputs.dropFirst(2).first, !bias.isEmpty {
                guard let constant = constants[bias], constant.shape == [columns] else {
                    return nil
                }
            }
        }
        self.node.opType = "MatMul"
        self.node.domain = "apus"
        self.node.opsetVersion = 1
        self.node.attributes = isTransposed ? ["transB": .int(1)] : [:]
    }

    var hasBias: Bool { has(2) }
    var hasResidual: Bool { has(3) }
    var hasActivation: Bool { node.attributes["activation"] != nil }

    private func has(_ input: Int) -> Bool {
        input < node.inputs.count && !node.inputs[input].isEmpty
    }

    /// Sets input 2 (bias) or 3 (residual).
    mutating func set(_ input: Int, _ name: String) {
        while node.inputs.count <= input { node.inputs.append("") }
        node.inputs[input] = name
    }
}

extension Attribute {
    fileprivate var isTrue: Bool {
        if case .int(let value) = self { return value != 0 }
        return false
    }
    fileprivate var isOne: Bool {
        if case .float(let value) = self { return value == 1 }
        return false
    }
}
