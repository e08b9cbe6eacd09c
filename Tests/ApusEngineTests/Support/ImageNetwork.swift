import ApusCore
import ApusTestSupport

@testable import ApusEngine

/// A small network over images, built node by node, that can be run whole or one node at a time.
struct ImageNetwork {
    var random: SeededRandom
    var nodes: [Node] = []
    var constants: [String: Tensor] = [:]
    let input: ReferenceArray
    /// Whole numbers are exact in every order of summation.
    let isWhole: Bool

    init(seed: Int, shape: Shape, isWhole: Bool = true) {
        random = SeededRandom(seed: UInt64(seed))
        self.isWhole = isWhole
        input = .random(shape, &random)
    }

    /// Adds a constant of random numbers.
    mutating func constant(_ shape: Shape) throws -> String {
        let name = "w\(constants.count)"
        constants[name] =
            isWhole
            ? try ReferenceArray.random(shape, &random).tensor()
            : try .floats(
                shape,
                (0..<shape.elementCount).map { _ in Float.random(in: -0.3...0.3, using: &random) })
        return name
    }

    mutating func constant(_ shape: Shape, _ values: [Float]) throws -> String {
        let name = "w\(constants.count)"
        constants[name] = try .floats(shape, values)
        return name
    }

    /// Adds a node with one output.
    mutating func add(
        _ opType: String, _ inputs: [String], _ attributes: [String: Attribute] = [:],
        opset: Int = 22
    ) -> String {
        let output = "v\(nodes.count)"
        nodes.append(.make(opType, inputs, [output], attributes, opset: opset))
        return output
    }

    mutating func convolution(
        _ input: String, _ weights: Shape, stride: Int = 1, groups: Int = 1
    ) throws -> String {
        let pad = Int64(weights[2] / 2)
        return add(
            "Conv", [input, try constant(weights), try constant([weights[0]])],
            [
                "pads": .ints([pad, pad, pad, pad]), "group": .int(Int64(groups)),
                "strides": .ints([Int64(stride), Int64(stride)]),
            ])
    }

    /// The model that makes the given values.
    func model(_ outputs: [String], options: EngineOptions = EngineOptions()) throws -> EngineModel
    {
        try EngineModel(
            .make(
                inputs: [.make("x", [nil] + input.shape.dropFirst().map { $0 })],
                outputs: outputs.map { .make($0, nil) }, initializers: constants, nodes),
            options: options)
    }

    /// Every node as a model of its own: nothing can be fused, and images always have channels first.
    func oneByOne(_ outputs: [String]) throws -> [Tensor] {
        var values = constants
        values["x"] = try input.tensor()
        for node in nodes {
            let inputs = node.inputs.map { values[$0] }
            values[node.outputs[0]] = try run(
                node.opType, inputs, node.attributes, opset: node.opsetVersion,
                constants: Set(node.inputs.indices.filter { constants[node.inputs[$0]] != nil }))[0]
        }
        return outputs.compactMap { values[$0] }
    }

    /// The plan for the network's input.
    func plan(_ outputs: [String]) throws -> Plan {
        let model = try model(outputs)
        let session = RunSession(
            packed: model.packed, memory: model.memory, options: model.options)
        let signature = [PlannedTensor(.float, input.shape)]
        guard case .plan(let plan) = try ProgramRunner.entry(model.program, signature, session)
        else { throw EngineError.invalidGraph("runs on values") }
        return plan
    }

    func results(_ outputs: [String], threadCount: Int = 1) throws -> [Tensor] {
        try model(outputs).makeInstance().run(
            [try input.tensor()], threadCountMax: threadCount, cancellation: nil)
    }
}
