import ApusCore

/// An activation function that the end of a product can apply, as `FusedActivation` reads it.
struct FusibleActivation {
    let name: String
    let parameters: [Float]

    /// - Returns: nil if the node is no such function.
    init?(_ node: Node, _ constants: [String: Tensor]) throws(EngineError) {
        guard node.domain.isEmpty,
            let (name, parameters) = try Self.read(NodeReader(node), constants)
        else { return nil }
        (self.name, self.parameters) = (name, parameters)
    }

    /// Lets a fused node apply it.
    func set(on node: inout Node) {
        node.attributes["activation"] = .string(Array(name.utf8))
        node.attributes["activation_parameters"] = .floats(parameters)
    }

    private static func read(
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
        case "Gelu":
            let isApproximate = try node.string("approximate", default: "none") == "tanh"
            return (isApproximate ? "GeluTanh" : "Gelu", [])
        case "Swish": return try node.float("alpha", default: 1) == 1 ? ("Silu", []) : nil
        case "Clip": return try bounds(node, constants).map { ("Clip", $0) }
        default: return nil
        }
    }

    private static func bounds(
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
