internal import ApusCore
internal import ApusEngine

extension ONNXModel {
    /// Makes the tensor of scores an output in place of each ZipMap that makes an output.
    mutating func replaceZipMaps() {
        for (index, node) in graph.nodes.enumerated()
        where node.opType == "ZipMap" && node.domain == "ai.onnx.ml" {
            guard let source = node.inputs.first, let target = node.outputs.first,
                let output = graph.outputs.firstIndex(where: { $0.name == target })
            else { continue }
            let names = Self.classNames(node)
            labels[target] = names
            // One row of scores per row of input, one score per class.
            graph.outputs[output] = GraphValue(
                name: target, type: .tensor(.float), shape: [-1, names.count])
            graph.nodes[index] = Node(
                name: node.name, opType: "Identity", domain: "",
                opsetVersion: max(opsetVersions[""] ?? 1, 1), inputs: [source], outputs: [target],
                attributes: [:])
        }
    }

    private static func classNames(_ node: Node) -> [String] {
        if case .strings(let names)? = node.attributes["classlabels_strings"], !names.isEmpty {
            return names.map { String(decoding: $0, as: UTF8.self) }
        }
        if case .ints(let numbers)? = node.attributes["classlabels_int64s"] {
            return numbers.map { String($0) }
        }
        return []
    }
}
