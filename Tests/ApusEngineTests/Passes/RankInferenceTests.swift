import ApusCore
import Testing

@testable import ApusEngine

/// Ranks that are inferred are those that values have.
struct RankInferenceTests {
    private func constants() throws -> [String: Tensor] {
        [
            "zero": try .int64s([], [0]), "axis": try .int64s([1], [1]),
            "axes": try .int64s([2], [0, 3]), "shape": try .int64s([2], [-1, 8]),
            "pair": try .int64s([2], [1, 0]),
            "matrix": try .floats([4, 5], Array(repeating: 1, count: 20)),
            "vector": try .floats([4], [1, 2, 3, 4]), "one": try .floats([], [1]),
            "kernel": try .floats([2, 3, 1, 1], Array(repeating: 1, count: 6)),
            "wide": try .int64s([3], [1, 1, 1]), "depth": try .int64s([], [3]),
            "values": try .floats([2], [0, 1]),
            "small": try .floats([2, 4], Array(repeating: 2, count: 8)),
        ]
    }

    /// Each makes "y" of "x", `[2, 3, 1, 4]`.
    static let nodes: [[Node]] = [
        [.make("Conv", ["x", "kernel"], ["y"])],
        [.make("MatMul", ["x", "matrix"], ["y"])], [.make("MatMul", ["x", "vector"], ["y"])],
        [.make("MatMul", ["vector", "vector"], ["y"])],
        [.make("MatMul", ["vector", "matrix"], ["y"])],
        [.make("Gemm", ["small", "matrix"], ["y"])],
        [.make("Flatten", ["x"], ["y"])], [.make("Shape", ["x"], ["y"])],
        [.make("Size", ["x"], ["y"])], [.make("NonZero", ["x"], ["y"])],
        [.make("Reshape", ["x", "shape"], ["y"])],
        [.make("Transpose", ["x"], ["y"], ["perm": .ints([3, 0, 1, 2])])],
        [.make("Gather", ["x", "zero"], ["y"], ["axis": .int(1)])],
        [.make("Gather", ["x", "pair"], ["y"])],
        [.make("Unsqueeze", ["x", "axes"], ["y"])],
        [.make("Unsqueeze", ["x"], ["y"], ["axes": .ints([0])], opset: 11)],
        [
            .make("Transpose", ["x"], ["s"], ["perm": .ints([0, 2, 1, 3])]),
            .make("Squeeze", ["s", "axis"], ["y"]),
        ],
        [.make("ReduceMean", ["x", "axes"], ["y"])],
        [.make("ReduceMean", ["x", "axes"], ["y"], ["keepdims": .int(0)])],
        [
            .make(
                "ReduceMax", ["x"], ["y"], ["axes": .ints([-1, 1]), "keepdims": .int(0)], opset: 13)
        ],
        [.make("ArgMax", ["x"], ["y"], ["keepdims": .int(0)])], [.make("ArgMin", ["x"], ["y"])],
        [.make("Expand", ["one", "wide"], ["y"])], [.make("Expand", ["x", "wide"], ["y"])],
        [.make("Abs", ["wide"], ["own"]), .make("ConstantOfShape", ["own"], ["y"])],
        [.make("OneHot", ["pair", "depth", "values"], ["y"])],
        [.make("Greater", ["x", "one"], ["b"]), .make("Where", ["b", "x", "one"], ["y"])],
        [.make("Split", ["x"], ["unused", "y"], ["num_outputs": .int(2)])],
        [.make("Softmax", ["x"], ["y"])], [.make("Concat", ["x", "x"], ["y"], ["axis": .int(0)])],
        [.make("Sub", ["vector", "x"], ["y"])],
        [.make("Range", ["zero", "depth", "depth"], ["y"])],
        // The shape of a Reshape as exporters compute it.
        [
            .make("Shape", ["x"], ["whole"]), .make("Gather", ["whole", "zero"], ["batch"]),
            .make("Unsqueeze", ["batch", "first"], ["row"]), .make("Squeeze", ["axis"], ["last"]),
            .make("Unsqueeze", ["last", "first"], ["rest"]),
            .make("Concat", ["row", "minus", "rest"], ["target"], ["axis": .int(0)]),
            .make("Reshape", ["x", "target"], ["y"]),
        ],
        [
            .make("Shape", ["x"], ["whole"]), .make("Gather", ["whole", "pair"], ["two"]),
            .make("Mul", ["two", "axis"], ["same"]),
            .make("Cast", ["same"], ["cast"], ["to": .int(7)]),
            .make("Concat", ["cast", "minus"], ["target"], ["axis": .int(0)]),
            .make("Reshape", ["x", "target"], ["y"]),
        ],
    ]

    @Test(arguments: nodes.indices) func ranksAreThoseOfTheValues(index: Int) throws {
        var constants = try constants()
        constants["first"] = try .int64s([1], [0])
        constants["minus"] = try .int64s([1], [-1])
        let graph = Graph.make(
            inputs: [.make("x", [2, 3, 1, 4])], outputs: [.make("y", nil)],
            initializers: constants, Self.nodes[index])
        let x = try Tensor.floats([2, 3, 1, 4], (0..<24).map { Float($0) })
        let y = try EngineModel(graph).makeInstance().run([x], threadCountMax: 1, cancellation: nil)
        let rank = RankInference(graph).ranks["y"]
        if Self.nodes[index].contains(where: { $0.opType == "Squeeze" && $0.inputs.count == 1 }) {
            // Which axes go depends on their lengths.
            #expect(rank == nil || rank == y[0].shape.count)
        } else {
            #expect(rank == y[0].shape.count, "\(Self.nodes[index].map(\.opType))")
        }
    }

    @Test func whatIsNotKnownIsNotMadeUp() throws {
        let graph = Graph.make(
            inputs: [.make("x", [nil, 3]), .make("u", nil), .make("s", [nil], .int64)],
            outputs: [.make("y", nil)],
            [
                .make("Reshape", ["x", "s"], ["a"]), .make("Squeeze", ["x"], ["b"]),
                .make("Add", ["x", "u"], ["c"]), .make("Einsum", ["x"], ["d"]),
                .make("Relu", ["x"], ["e"], domain: "other"), .make("Relu", ["u"], ["f"]),
            ])
        let ranks = RankInference(graph).ranks
        #expect(ranks == ["x": 2, "s": 1])
    }

    /// Lengths that become ranks, and ranks that double from node to node.
    @Test func ranksThatNoTensorHasAreNotKnown() throws {
        let doublings = (0..<70).flatMap { index -> [Node] in
            [
                .make("Concat", ["s\(index)", "s\(index)"], ["s\(index + 1)"], ["axis": .int(0)]),
                .make("Gather", ["x\(index)", "x\(index)"], ["x\(index + 1)"]),
            ]
        }
        let graph = Graph.make(
            inputs: [
                .make("s0", [2], .int64), .make("x0", [1, 1, 1]), .make("l", [.max], .int64),
            ],
            outputs: [.make("y", nil)],
            doublings + [
                .make("Reshape", ["x0", "l"], ["r"]), .make("OneHot", ["r", "d", "v"], ["y"]),
                .make("Concat", ["l", "l"], ["z"], ["axis": .int(0)]),
            ])
        let ranks = RankInference(graph).ranks
        #expect(ranks["y"] == nil)
        #expect(ranks["x70"] == nil)
    }

    /// Positive axes, as TensorFlow's exporter writes them, need the rank.
    @Test func layerNormalizationIsRecognisedByInferredRanksAlone() throws {
        func counts(axis: Int64) throws -> [String: Int] {
            let graph = Graph.make(
                inputs: [.make("x", [nil, 24])], outputs: [.make("y", nil)],
                initializers: [
                    "s": try .int64s([4], [-1, 3, 4, 2]), "e": try .floats([], [1e-5]),
                    "two": try .floats([], [2]),
                ],
                [
                    .make("Reshape", ["x", "s"], ["q"]),
                    .make("ReduceMean", ["q"], ["m"], ["axes": .ints([axis])], opset: 13),
                    .make("Sub", ["q", "m"], ["d"]), .make("Pow", ["d", "two"], ["p"]),
                    .make("ReduceMean", ["p"], ["v"], ["axes": .ints([axis])], opset: 13),
                    .make("Add", ["v", "e"], ["w"]), .make("Sqrt", ["w"], ["r"]),
                    .make("Div", ["d", "r"], ["y"]),
                ])
            return try EngineModel(graph).operatorCounts
        }
        #expect(try counts(axis: 3) == ["Reshape": 1, "LayerNormalization": 1])
        #expect(try counts(axis: 2)["LayerNormalization"] == nil)
    }
}
