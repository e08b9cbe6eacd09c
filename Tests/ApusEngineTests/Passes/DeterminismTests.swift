import ApusCore
import Testing

@testable import ApusEngine

/// What draws numbers draws them in each run: it is neither folded, nor do two of it become one.
struct DeterminismTests {
    /// Nodes that draw 64 numbers, from constants alone; `y` is the result.
    private static let drawing: [Node] = [
        .make("RandomNormal", [], ["y"], ["shape": .ints([64])]),
        .make("RandomUniform", [], ["y"], ["shape": .ints([64])]),
        .make("RandomNormalLike", ["c"], ["y"]), .make("RandomUniformLike", ["c"], ["y"]),
        .make("Bernoulli", ["c"], ["y"]),
        .make("Multinomial", ["row"], ["y"], ["sample_size": .int(64), "dtype": .int(1)]),
        .make("Dropout", ["c", "ratio", "true"], ["y"]),
    ]

    private func constants() throws -> [String: Tensor] {
        [
            "c": try .floats([64], [Float](repeating: 0.5, count: 64)),
            "row": try .floats([1, 8], [Float](repeating: 1, count: 8)),
            "ratio": try .floats([], [0.5]), "true": try Tensor(.bool, [], [true]),
            "one": try .int64s([], [1]),
        ]
    }

    private func run(_ nodes: [Node], outputs: [String] = ["y"]) throws -> [[Float]] {
        let model = try EngineModel(
            .make(
                inputs: [], outputs: outputs.map { .make($0, nil) }, initializers: constants(),
                nodes))
        let instance = try model.makeInstance()
        return try (0..<2).flatMap { _ in
            try instance.run([], threadCountMax: 1, cancellation: nil).map(\.floats)
        }
    }

    @Test(arguments: drawing) func everyRunDrawsAnew(node: Node) throws {
        let runs = try run([node])
        #expect(runs[0] != runs[1], "\(node.opType)")
    }

    @Test(arguments: drawing) func twoEqualNodesDrawTwice(node: Node) throws {
        var second = node
        second.outputs = ["z"]
        let runs = try run([node, second], outputs: ["y", "z"])
        #expect(runs[0] != runs[1], "\(node.opType)")
    }

    @Test(arguments: drawing) func whatFollowsIsNotFrozenEither(node: Node) throws {
        var inner = node
        inner.outputs = ["a"]
        let runs = try run([inner, .make("Neg", ["a"], ["y"])])
        #expect(runs[0] != runs[1], "\(node.opType)")
    }

    @Test(arguments: drawing) func aBodyThatDrawsMakesItsNodeDraw(node: Node) throws {
        let branch = Graph.make(inputs: [], outputs: [.make("y", nil)], [node])
        let loop = Graph.make(
            inputs: [.make("i", [], .int64), .make("go", [], .bool)],
            outputs: [.make("go", [], .bool), .make("y", nil)], [node])
        let choice = Node.make(
            "If", ["true"], ["y"], ["then_branch": .graph(branch), "else_branch": .graph(branch)])
        let repetition = Node.make("Loop", ["one", ""], ["y"], ["body": .graph(loop)])
        for outer in [choice, repetition] {
            let op = try OperatorTable.makeOperator(NodeReader(outer))
            #expect(!op.isDeterministic)
            let runs = try run([outer])
            #expect(runs[0] != runs[1], "\(outer.opType) of \(node.opType)")
        }
    }

    @Test func whatDrawsNothingIsDeterministic() throws {
        let relu = Graph.make(inputs: [], outputs: [.make("y", nil)], [.make("Relu", ["c"], ["y"])])
        for node: Node in [
            .make("Relu", ["c"], ["y"]), .make("Dropout", ["c", "ratio"], ["y"]),
            .make(
                "If", ["true"], ["y"], ["then_branch": .graph(relu), "else_branch": .graph(relu)]),
        ] {
            #expect(try OperatorTable.makeOperator(NodeReader(node)).isDeterministic)
        }
    }
}
