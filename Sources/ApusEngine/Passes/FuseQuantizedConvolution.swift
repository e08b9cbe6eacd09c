import ApusCore

/// DequantizeLinear of image, weights and bias, Conv, maybe Relu, QuantizeLinear: the form in which
/// quantised models are exported becomes QLinearConv, which computes in integers.
///
/// - Source: ONNX Runtime's documentation, "Quantize ONNX models", "QDQ".
struct FuseQuantizedConvolution: GraphPass {
    func apply(to graph: inout Graph, _ session: RunSession) throws(EngineError) {
        let uses = GraphUses(graph)
        var nodes: [Node?] = graph.nodes
        for index in nodes.indices {
            guard let last = nodes[index], last.opType == "QuantizeLinear", last.domain.isEmpty,
                let target = Quantization(last, graph.initializers), target.isScalar,
                target.isByte
            else { continue }
            var makers: [Int] = []
            var value = last.inputs[0]
            if let maker = maker(of: value, "Relu", uses, nodes), target.beginsAtZero {
                makers.append(maker)
                value = nodes[maker]?.inputs.first ?? ""
            }
            guard let maker = maker(of: value, "Conv", uses, nodes),
                let convolution = nodes[maker], convolution.inputs.count >= 2,
                let inputs = try inputs(of: convolution, uses, &graph)
            else { continue }
            for index in makers + [maker] { nodes[index] = nil }
            nodes[index] = Node(
                name: convolution.name, opType: "QLinearConv", domain: "", opsetVersion: 10,
                inputs: inputs.first + [target.scale, target.zero] + inputs.bias,
                outputs: last.outputs, attributes: convolution.attributes)
        }
        graph.nodes = nodes.compactMap { $0 }
    }

    /// The node that makes a value which nobody else reads.
    private func maker(
        of name: String, _ opType: String, _ uses: GraphUses, _ nodes: [Node?]
    ) -> Int? {
        guard let index = uses.maker[name], uses.isReadOnce(name), let node = nodes[index],
            node.opType == opType, node.domain.isEmpty, node.outputs.count == 1
        else { return nil }
        return index
    }

    /// The inputs of QLinearConv in front of the output's scale, and the bias.
    private func inputs(
        of convolution: Node, _ uses: GraphUses, _ graph: inout Graph
    ) throws(EngineError) -> (first: [String], bias: [String])? {
        func source(_ position: Int) -> Quantization? {
            guard let index = uses.maker[convolution.inputs[position]] else { return nil }
            let node = graph.nodes[index]
            guard node.opType == "DequantizeLinear", node.domain.isEmpty else { return nil }
            return Quantization(node, graph.initializers)
        }
        guard let image = source(0), image.isScalar, image.isByte, !image.zero.isEmpty,
            var weights = source(1), let tensor = graph.initializers[weights.value],
            tensor.dataType == .int8 || tensor.dataType == .uint8, tensor.shape.count >= 3,
            weights.fits(tensor.shape)
        else { return nil }
        var bias: [String] = []
        if convolution.inputs.count > 2, !convolution.inputs[2].isEmpty {
            guard let own = source(2), own.zeros.allSatisfy({ $0 == 0 }),
                let values = graph.initializers[own.value], values.dataType == .int32,
                values.shape == [tensor.shape[0]], own.hasScale(of: image, weights)
            else { return nil }
            bias = [own.value]
        }
        if weights.zero.isEmpty {
            let name = "\(weights.value)/zero"
            guard graph.initializers[name] == nil, uses.maker[name] == nil else { return nil }
            do {
                graph.initializers[name] = try Tensor.zeros(
                    tensor.dataType, weights.scales.count == 1 ? [] : [weights.scales.count])
            } catch {
                throw .outOfMemory(byteCount: weights.scales.count)
            }
            weights.zero = name
        }
        return (
            [image.value, image.scale, image.zero, weights.value, weights.scale, weights.zero],
            bias
        )
    }
}

/// The constants of a QuantizeLinear or DequantizeLinear.
private struct Quantization {
    let value: String
    let scale: String
    /// Empty if there is none.
    var zero: String
    let scales: [Float]
    let zeros: [Int]
    private let zeroType: DataType?
    private let scaleRank: Int
    private let axis: Int

    /// Nil unless scale and zero point are constants in `float`, one for all or one per channel.
    init?(_ node: Node, _ constants: [String: Tensor]) {
        guard node.inputs.count >= 2, let scale = constants[node.inputs[1]],
            scale.dataType == .float, scale.shape.count <= 1, scale.elementCount > 0
        else { return nil }
        let reader = NodeReader(node)
        guard let axis = try? reader.int("axis", default: 1),
            (try? reader.int("block_size", default: 0)) == 0
        else { return nil }
        value = node.inputs[0]
        self.scale = node.inputs[1]
        scales = scale.elements(as: Float.self)
        scaleRank = scale.shape.count
        self.axis = axis
        guard reader.hasInput(2) else {
            (zero, zeros, zeroType) = ("", [], nil)
            return
        }
        guard let point = constants[node.inputs[2]], point.elementCount == scale.elementCount,
            let zeros = point.integers
        else { return nil }
        (zero, self.zeros, zeroType) = (node.inputs[2], zeros, point.dataType)
    }

    var isScalar: Bool { scales.count == 1 }
    var isByte: Bool { zeroType == .int8 || zeroType == .uint8 }

    /// Whether the smallest number of the type stands for 0, so that clamping is Relu.
    var beginsAtZero: Bool { zeroType == .uint8 ? zeros == [0] : zeros == [-128] }

    /// Whether scales are one for all, or one per output channel of weights.
    func fits(_ shape: Shape) -> Bool {
        isScalar || (scales.count == shape[0] && (axis == 0 || axis == -shape.count))
    }

    /// Whether this is the scale that a bias has by definition.
    func hasScale(of image: Quantization, _ weights: Quantization) -> Bool {
        let products = weights.scales.map { $0 * image.scales[0] }
        guard scales.count == products.count || scales.count == 1 else { return false }
        return products.indices.allSatisfy {
            let own = scales[scales.count == 1 ? 0 : $0]
            return abs(own - products[$0]) <= 1e-4 * abs(products[$0])
        }
    }
}
