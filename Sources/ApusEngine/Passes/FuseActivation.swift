import ApusCore

/// Convolution, then an activation function, becomes the convolution that applies it before it
/// stores.
struct FuseActivation: ConvolutionFusion {
    func fused(
        _ convolution: FusibleConvolution, _ follower: Node, at position: Int,
        _ uses: GraphUses, _ graph: inout Graph
    ) throws(EngineError) -> FusibleConvolution? {
        guard follower.domain.isEmpty, position == 0, !convolution.hasActivation,
            let (name, parameters) = try activation(NodeReader(follower), graph.initializers)
        else { return nil }
        var result = convolution
        result.node.attributes["activation"] = .string(Array(name.utf8))
        result.node.attributes["activation_parameters"] = .floats(parameters)
        return result
    }

    /// The function's name and parameters as `FusedActivation` reads them.
    private func activation(
        _ node: NodeReader, _ constants: [String: Tensor]
    ) throws(EngineError) -> (String, [Float])? {
        switch node.node.opType {
        case "Relu": return ("Relu", [])
        case "Sigmoid": return ("Sigmoid", [])
        case "Tanh": return ("Tanh", [])
        case "HardSwish": return ("HardSwish", [])
        case "LeakyRelu": return ("LeakyRelu", [try node.float("alpha", default: 0.01)])
        case "Elu": return ("Elu", [try node.float("alpha", default: 1)])
        case "HardSigmoid":
            return (
                "HardSigmoid",
                [try node.float("alpha", default: 0.2), try node.float("beta", default: 0.5)]
            )
        case "Swish": return try node.float("alpha", default: 1) == 1 ? ("Silu", []) : nil
        case "Clip": return try bounds(node, constants).map { ("Clip", $0) }
        default: return nil
        }
    }

    private func bounds(
        _ node: NodeReader, _ constants: [String: Tensor]
    ) throws(EngineError) -> [Float]? {
        var bounds = [-Float.infinity, Float.infinity]
        if node.opsetVersion < 11 {
            bounds[0] = try node.float("min", default: bounds[0])
            bounds[1] = try node.float("max", default: bounds[1])
        } else {
            for index in 1...2 where node.hasInput(index) {
                guard let bound = constants[node.node.inputs[index]], bound.dataType == .float,
                    bound.elementCount == 1
                else { return nil }
                bounds[index - 1] = bound.elements(as: Float.self)[0]
            }
        }
        return [min(bounds[0], bounds[1]), bounds[1]]
    }
}
