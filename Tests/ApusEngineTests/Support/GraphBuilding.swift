import ApusCore
import ApusEngine

/// Short names for graphs written in tests.
extension Node {
    /// A node of `ai.onnx` (or `domain`) at the given opset.
    static func make(
        _ opType: String, _ inputs: [String], _ outputs: [String],
        _ attributes: [String: Attribute] = [:], opset: Int = 22, domain: String = ""
    ) -> Node {
        Node(
            name: "", opType: opType, domain: domain, opsetVersion: opset, inputs: inputs,
            outputs: outputs, attributes: attributes)
    }
}

extension GraphValue {
    /// A tensor; nil in `shape` is a dynamic dimension.
    static func make(_ name: String, _ shape: [Int?]?, _ type: DataType = .float) -> GraphValue {
        GraphValue(name: name, type: .tensor(type), shape: shape?.map { $0 ?? -1 })
    }
}

extension Graph {
    static func make(
        inputs: [GraphValue], outputs: [GraphValue], initializers: [String: Tensor] = [:],
        _ nodes: [Node]
    ) -> Graph {
        Graph(
            name: "test", inputs: inputs, outputs: outputs, initializers: initializers,
            nodes: nodes)
    }
}

extension Tensor {
    static func floats(_ shape: Shape, _ elements: [Float]) throws -> Tensor {
        try Tensor(.float, shape, elements)
    }

    static func int64s(_ shape: Shape, _ elements: [Int64]) throws -> Tensor {
        try Tensor(.int64, shape, elements)
    }

    var floats: [Float] { elements(as: Float.self) }
}

/// Runs a single node on tensors; what the node names as outputs comes back.
///
/// - Parameter constants: positions of inputs that are initialisers of the model.
func run(
    _ opType: String, _ inputs: [Tensor?], _ attributes: [String: Attribute] = [:],
    outputCount: Int = 1, opset: Int = 22, domain: String = "", constants: Set<Int> = [],
    options: EngineOptions = EngineOptions(), threadCount: Int = 1
) throws -> [Tensor] {
    var values: [GraphValue] = []
    var given: [Tensor] = []
    var initializers: [String: Tensor] = [:]
    for (index, tensor) in inputs.enumerated() {
        guard let tensor else { continue }
        if constants.contains(index) {
            initializers["i\(index)"] = tensor
        } else {
            values.append(.make("i\(index)", tensor.shape.map { $0 }, tensor.dataType))
            given.append(tensor)
        }
    }
    let names = inputs.indices.map { inputs[$0] == nil ? "" : "i\($0)" }
    let outputs = (0..<outputCount).map { "o\($0)" }
    let graph = Graph.make(
        inputs: values, outputs: outputs.map { .make($0, nil) }, initializers: initializers,
        [.make(opType, names, outputs, attributes, opset: opset, domain: domain)])
    let instance = try EngineModel(graph, options: options).makeInstance()
    return try instance.run(given, threadCountMax: threadCount, cancellation: nil)
}
