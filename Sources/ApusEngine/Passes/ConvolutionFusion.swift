import ApusCore

/// A pass that lets a convolution do what the one node that reads its result does. The fused node is
/// the engine's own `apus.Conv`, at the place of the second node.
protocol ConvolutionFusion: GraphPass {
    /// The convolution that does both, or nil if it cannot.
    ///
    /// - Parameters:
    ///   - position: of the convolution's result among the follower's inputs.
    ///   - graph: as it was before the pass; new constants are added to it.
    func fused(
        _ convolution: FusibleConvolution, _ follower: Node, at position: Int,
        _ uses: GraphUses, _ graph: inout Graph
    ) throws(EngineError) -> FusibleConvolution?
}

extension ConvolutionFusion {
    func apply(to graph: inout Graph, _ session: RunSession) throws(EngineError) {
        let uses = GraphUses(graph)
        var nodes: [Node?] = graph.nodes
        for index in nodes.indices {
            guard let follower = nodes[index] else { continue }
            // The convolution that comes last: what else the follower reads is there already.
            let order = follower.inputs.indices.sorted {
                (uses.maker[follower.inputs[$0]] ?? -1, $0)
                    > (uses.maker[follower.inputs[$1]] ?? -1, $1)
            }
            for position in order {
                let name = follower.inputs[position]
                guard let maker = uses.maker[name], uses.isReadOnce(name),
                    let node = nodes[maker],
                    let convolution = FusibleConvolution(node, graph.initializers),
                    var made = try fused(convolution, follower, at: position, uses, &graph)
                else { continue }
                made.node.outputs = [follower.outputs[0]]
                nodes[maker] = nil
                nodes[index] = made.node
                break
            }
        }
        graph.nodes = nodes.compactMap { $0 }
    }
}

/// A convolution with constant weights of `float`, seen as `apus.Conv`.
struct FusibleConvolution {
    var node: Node
    let weights: Tensor

    init?(_ node: Node, _ constants: [String: Tensor]) {
        guard node.opType == "Conv", node.domain.isEmpty || node.domain == "apus",
            node.inputs.count >= 2, node.outputs.count == 1,
            let weights = constants[node.inputs[1]], weights.dataType == .float,
            weights.shape.count >= 3
        else { return nil }
        self.node = node
        self.weights = weights
        self.node.domain = "apus"
        self.node.opsetVersion = 1
    }

    var rank: Int { weights.shape.count }
    var outputChannels: Int { weights.shape[0] }
    var hasResidual: Bool { name(.residual) != nil }
    var hasActivation: Bool { node.attributes["activation"] != nil }

    enum Input: Int {
        case bias = 2
        case residual, scale
    }

    func name(_ input: Input) -> String? {
        guard input.rawValue < node.inputs.count else { return nil }
        let name = node.inputs[input.rawValue]
        return name.isEmpty ? nil : name
    }

    mutating func set(_ input: Input, _ name: String) {
        while node.inputs.count <= input.rawValue { node.inputs.append("") }
        node.inputs[input.rawValue] = name
    }

    /// What is known of an input with one `float` per output channel: `standard` for all if the
    /// input is left out, nil if it is not a constant.
    func values(_ input: Input, standard: Double, _ graph: Graph) -> [Double]? {
        guard let name = name(input) else {
            return [Double](repeating: standard, count: outputChannels)
        }
        return graph.initializers[name]?.perChannel(outputChannels, rank: 1)
    }

    /// Lets the convolution multiply by `scale` and add `bias`, one number per output channel.
    mutating func setAffine(
        scale: [Double]?, bias: [Double], _ graph: inout Graph
    ) throws(EngineError) {
        if let scale { set(.scale, try Self.addConstant(scale, "scale", node, &graph)) }
        set(.bias, try Self.addConstant(bias, "bias", node, &graph))
    }

    private static func addConstant(
        _ values: [Double], _ role: String, _ node: Node, _ graph: inout Graph
    ) throws(EngineError) -> String {
        var name = "\(node.outputs[0])/\(role)"
        while graph.initializers[name] != nil
            || graph.nodes.contains(where: { $0.outputs.contains(name) })
            || graph.inputs.contains(where: { $0.name == name })
        {
            name += "'"
        }
        do {
            graph.initializers[name] = try Tensor(.float, [values.count], values.map { Float($0) })
        } catch {
            throw .outOfMemory(byteCount: values.count * 4)
        }
        return name
    }
}

extension Tensor {
    /// One number per channel, if this is a `float` constant that broadcasts along the channels of
    /// images of the given rank (1 for the channels alone) and nothing else.
    func perChannel(_ channels: Int, rank: Int) -> [Double]? {
        guard dataType == .float, shape.count <= rank else { return nil }
        let values = elements(as: Float.self).map { Double($0) }
        if values.count == 1 { return [Double](repeating: values[0], count: channels) }
        let full = [Int](repeating: 1, count: rank - shape.count) + shape
        let axis = min(1, rank - 1)
        let isAlone = full.indices.allSatisfy { full[$0] == ($0 == axis ? channels : 1) }
        return isAlone ? values : nil
    }
}
