import ApusCore
import Testing

@testable import ApusEngine

/// Which models are proven to keep the rows of a batch apart.
@Suite struct RowAnalysisTests {
    private func verdict(
        inputs: [GraphValue] = [.make("x", [nil, 6])], constants: [String: Tensor] = [:],
        outputs: [GraphValue] = [.make("y", nil)], _ nodes: [Node]
    ) throws -> RowVerdict {
        let model = try EngineModel(
            .make(inputs: inputs, outputs: outputs, initializers: constants, nodes))
        return model.analyseRows().verdict
    }

    private func expectMixing(
        _ node: String, _ verdict: RowVerdict, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        guard case .notProven(let found, let reason) = verdict else {
            Issue.record("proven independent", sourceLocation: sourceLocation)
            return
        }
        #expect(found.contains(node), "\(found) \(reason)", sourceLocation: sourceLocation)
    }

    // MARK: Axis 0

    static let alongRows: [(String, [Node], [String: Tensor])] = {
        func integers(_ values: [Int64]) -> Tensor? { try? Tensor.int64s([values.count], values) }
        let zero = integers([0]).map { ["axes": $0] } ?? [:]
        return [
            ("Softmax", [.make("Softmax", ["x"], ["y"], ["axis": .int(0)])], [:]),
            ("CumSum", [.make("CumSum", ["x", "axes"], ["y"])], zero),
            (
                "ReduceMean",
                [.make("ReduceMean", ["x", "axes"], ["m"]), .make("Sub", ["x", "m"], ["y"])], zero
            ),
            (
                "ReduceMax", [.make("ReduceMax", ["x"], ["m"]), .make("Sub", ["x", "m"], ["y"])],
                [:]
            ),
            ("TopK", [.make("TopK", ["x", "axes"], ["y", ""], ["axis": .int(0)])], zero),
            (
                "MatMul", [.make("Transpose", ["x"], ["t"]), .make("MatMul", ["x", "t"], ["y"])],
                [:]
            ),
            ("ArgMax", [.make("ArgMax", ["x"], ["y"], ["axis": .int(0)])], [:]),
            (
                "DynamicQuantizeLinear",
                [
                    .make("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
                    .make("DequantizeLinear", ["q", "s", "z"], ["y"]),
                ], [:]
            ),
        ]
    }()

    @Test(arguments: alongRows.indices) func whatGoesAlongTheRowsMixesThem(index: Int) throws {
        let (name, nodes, constants) = Self.alongRows[index]
        expectMixing(name, try verdict(constants: constants, nodes))
    }

    @Test func rowsThatAreFlippedCutOrRepeatedAreNotIndependent() throws {
        func slice(_ start: Int64, _ end: Int64, _ step: Int64) throws -> RowVerdict {
            try verdict(
                constants: [
                    "s": .int64s([1], [start]), "e": .int64s([1], [end]), "a": .int64s([1], [0]),
                    "t": .int64s([1], [step]),
                ], [.make("Slice", ["x", "s", "e", "a", "t"], ["y"])])
        }
        expectMixing("Slice", try slice(-1, Int64.min + 1, -1))
        expectMixing("Slice", try slice(1, Int64.max, 1))
        #expect(try slice(0, Int64.max, 1).isIndependent)
        let twice = try verdict(
            constants: ["r": .int64s([2], [2, 1])], [.make("Tile", ["x", "r"], ["y"])])
        expectMixing("Tile", twice)
        let joined = try verdict([.make("Concat", ["x", "x"], ["y"], ["axis": .int(0)])])
        expectMixing("output \"y\"", joined)
    }

    @Test func aRecurrentLayerWithTheSequenceFirstStepsAlongTheRows() throws {
        let weights: [String: Tensor] = try [
            "w": .floats([1, 12, 4], .init(repeating: 0.1, count: 48)),
            "r": .floats([1, 12, 3], .init(repeating: 0.1, count: 36)),
        ]
        func lstm(_ layout: Int64, _ shape: [Int?]) throws -> RowVerdict {
            try verdict(
                inputs: [.make("x", shape)], constants: weights,
                [
                    .make(
                        "LSTM", ["x", "w", "r"], ["y"],
                        ["hidden_size": .int(3), "layout": .int(layout)])
                ])
        }
        expectMixing("LSTM", try lstm(0, [nil, nil, 4]))
        #expect(try lstm(1, [nil, nil, 4]).isIndependent)
        // With the sequence second, transposed for the layer and back.
        let turned = try verdict(
            inputs: [.make("x", [nil, nil, 4])],
            constants: weights,
            [
                .make("Transpose", ["x"], ["t"], ["perm": .ints([1, 0, 2])]),
                .make("LSTM", ["t", "w", "r"], ["l"], ["hidden_size": .int(3)]),
                .make("Transpose", ["l"], ["y"], ["perm": .ints([2, 0, 1, 3])]),
            ])
        #expect(turned.isIndependent)
    }

    // MARK: Shapes

    @Test func rowsAreFollowedThroughMergedDimensions() throws {
        // [N, L, 6] → [N × L, 6] → [N, L × 3] by way of computed shapes.
        let nodes: [Node] = [
            .make("Shape", ["x"], ["s"]), .make("Gather", ["s", "zero"], ["n"]),
            .make("Unsqueeze", ["n", "axes"], ["n1"]),
            .make("Reshape", ["x", "flat"], ["f"]), .make("MatMul", ["f", "w"], ["p"]),
            .make("Concat", ["n1", "open"], ["t"], ["axis": .int(0)]),
            .make("Reshape", ["p", "t"], ["y"]),
        ]
        let constants: [String: Tensor] = try [
            "zero": .int64s([], [0]), "axes": .int64s([1], [0]), "flat": .int64s([2], [-1, 6]),
            "open": .int64s([1], [-1]), "w": .floats([6, 3], .init(repeating: 1, count: 18)),
        ]
        let found = try verdict(
            inputs: [.make("x", [nil, nil, 6])], constants: constants, nodes)
        #expect(found.isIndependent, "\(found.text)")
    }

    @Test func aShapeThatCutsTheRowsIsRefused() throws {
        let found = try verdict(
            constants: ["s": .int64s([2], [-1, 12])], [.make("Reshape", ["x", "s"], ["y"])])
        #expect(!found.isIndependent)
        let turned = try verdict(
            constants: ["s": .int64s([2], [-1, 6])],
            [.make("Transpose", ["x"], ["t"]), .make("Reshape", ["t", "s"], ["y"])])
        #expect(!turned.isIndependent)
    }

    @Test func theNumberOfRowsMayBeALengthButNotANumber() throws {
        let share: [Node] = [
            .make("Shape", ["x"], ["s"]), .make("Gather", ["s", "zero"], ["n"]),
            .make("Cast", ["n"], ["f"], ["to": .int(1)]), .make("Div", ["x", "f"], ["y"]),
        ]
        expectMixing("Div", try verdict(constants: ["zero": .int64s([], [0])], share))
        let threshold: [Node] = [
            .make("Shape", ["x"], ["s"]), .make("Gather", ["s", "zero"], ["n"]),
            .make("Greater", ["n", "many"], ["g"]), .make("Where", ["g", "x", "zeros"], ["y"]),
        ]
        expectMixing(
            "Where",
            try verdict(
                constants: [
                    "zero": .int64s([], [0]), "many": .int64s([], [10]), "zeros": .floats([1], [0]),
                ], threshold))
        // A class token, expanded to the batch, in front of each row's own.
        let token: [Node] = [
            .make("Shape", ["x"], ["s"]), .make("Gather", ["s", "zero"], ["n"]),
            .make("Unsqueeze", ["n", "axes"], ["n1"]),
            .make("Concat", ["n1", "rest"], ["t"], ["axis": .int(0)]),
            .make("Expand", ["cls", "t"], ["c"]),
            .make("Concat", ["c", "x"], ["y"], ["axis": .int(1)]),
        ]
        let found = try verdict(
            inputs: [.make("x", [nil, nil, 2])],
            constants: [
                "zero": .int64s([], [0]), "axes": .int64s([1], [0]), "rest": .int64s([2], [1, 2]),
                "cls": .floats([1, 1, 2], [1, 2]),
            ], token)
        #expect(found.isIndependent, "\(found.text)")
    }

    @Test func aRankThatDependsOnTheNumberOfRowsIsRefused() throws {
        #expect(try !verdict([.make("Squeeze", ["x"], ["y"])]).isIndependent)
    }

    @Test func outputsThatDoNotHaveTheRowsFirstAreNamed() throws {
        expectMixing("y", try verdict([.make("Transpose", ["x"], ["y"])]))
        expectMixing(
            "y", try verdict(constants: ["c": .floats([1], [1])], [.make("Relu", ["c"], ["y"])]))
    }

    // MARK: Company

    @Test func anInputOfAFixedFirstDimensionIsNoBatch() throws {
        expectMixing(
            "scale",
            try verdict(
                inputs: [.make("x", [nil, 6]), .make("scale", [1, 6])],
                [.make("Mul", ["x", "scale"], ["y"])]))
    }

    @Test func randomNumbersAreNobodysRow() throws {
        expectMixing(
            "RandomNormalLike",
            try verdict([
                .make("RandomNormalLike", ["x"], ["r"]), .make("Add", ["x", "r"], ["y"]),
            ]))
    }

    @Test func whatNobodyDeclaredCountsAsMixing() throws {
        expectMixing(
            "NonZero",
            try verdict([.make("NonZero", ["x"], ["i"]), .make("Transpose", ["i"], ["y"])]))
    }

    @Test func bothBranchesOfAnIfAreLookedAt() throws {
        func branch(_ node: Node) -> Attribute {
            .graph(.make(inputs: [], outputs: [.make("b", nil)], [node]))
        }
        func choice(_ other: Node) throws -> RowVerdict {
            try verdict(
                inputs: [.make("x", [nil, 6])],
                constants: ["zero": .floats([1], [0]), "axes": .int64s([1], [0])],
                [
                    .make("ReduceSum", ["zero"], ["z"], ["keepdims": .int(0)]),
                    .make("RandomUniform", [], ["r"], ["shape": .ints([1])]),
                    .make("Greater", ["r", "z"], ["c"]),
                    .make(
                        "If", ["c"], ["y"],
                        [
                            "then_branch": branch(.make("Relu", ["x"], ["b"])),
                            "else_branch": branch(other),
                        ]),
                ])
        }
        // The condition is random here, which mixes by itself; the point is that nothing is proven.
        #expect(try !choice(.make("Neg", ["x"], ["b"])).isIndependent)
        #expect(try !choice(.make("CumSum", ["x", "axes"], ["b"])).isIndependent)
    }

    /// What a plan refuses, the analysis must not stumble over.
    @Test func shapesThatNoMemoryHoldsAreNotProven() throws {
        let long = try Tensor.int64s([3], [1, 1 << 40, 1 << 40])
        for (inputs, nodes) in [
            (
                [GraphValue.make("x", [nil, 1 << 40, 1 << 40])],
                [Node.make("Flatten", ["x"], ["y"])]
            ),
            (
                [.make("x", [nil, 1, 1])],
                [.make("Expand", ["x", "long"], ["e"]), .make("Flatten", ["e"], ["y"])]
            ),
        ] {
            #expect(
                try !verdict(inputs: inputs, constants: ["long": long], nodes).isIndependent)
        }
    }

    /// The number of outputs follows from the length of a content, and that one from the batch.
    @Test func aNumberOfOutputsThatFollowsTheRowsIsNotProven() throws {
        expectMixing(
            "Split",
            try verdict(
                inputs: [.make("x", [nil, 0])],
                constants: [
                    "all": .int64s([1000], [Int64](repeating: 0, count: 1000)),
                    "axis": .int64s([1], [0]), "end": .int64s([1], [.max]),
                ],
                [
                    .make("Shape", ["x"], ["n"], ["end": .int(1)]),
                    .make("Slice", ["all", "n", "end", "axis"], ["parts"]),
                    .make("Split", ["x", "parts"], ["y"], ["axis": .int(1)]),
                ]))
    }

    /// Of more dimensions than the output has.
    @Test func anInputThatAnOperatorDoesNotKnowMixes() throws {
        expectMixing(
            "HardSigmoid",
            try verdict(
                constants: ["w": .floats([6], [1, 2, 3, 4, 5, 6])],
                [.make("HardSigmoid", ["w", "x"], ["y"])]))
        let found = try verdict(
            constants: ["w": .floats([6], [1, 2, 3, 4, 5, 6])],
            [.make("Add", ["x", "w", "x"], ["y"])])
        #expect(found.isIndependent, "\(found.text)")
    }

    /// Contents that follow from shapes are computed, however long that takes.
    @Test func theAnalysisIsCancelled() throws {
        let equation = Attribute.string(Array("a,b,c,d->".utf8))
        // With strings among the inputs no plan has been made, and stopped, before.
        let model = try EngineModel(
            .make(
                inputs: [.make("x", [nil, 400]), .make("t", [nil], .string)],
                outputs: [.make("y", nil), .make("u", nil, .string)],
                initializers: ["one": .int64s([1], [1])],
                [
                    .make("Shape", ["x"], ["n"], ["start": .int(1)]),
                    .make("Expand", ["one", "n"], ["e"]),
                    .make("Einsum", ["e", "e", "e", "e"], ["s"], ["equation": equation]),
                    .make("Cast", ["s"], ["f"], ["to": .int(1)]),
                    .make("Add", ["x", "f"], ["y"]), .make("Identity", ["t"], ["u"]),
                ]))
        let asks = CancellationTests.Asks()
        let found = model.analyseRows(cancellation: asks.control(stoppingAt: 20))
        #expect(!found.verdict.isIndependent)
        #expect(asks.number < 60)
    }

    @Test func aLoopMayNameFewerInputsThanItHas() throws {
        let body = Graph.make(
            inputs: [.make("i", [], .int64), .make("c", [], .bool)],
            outputs: [.make("c", [], .bool), .make("s", [nil, 6])],
            [.make("Relu", ["x"], ["s"])])
        for names in [[], ["n"]] {
            expectMixing(
                "Loop",
                try verdict(
                    constants: ["n": .int64s([], [3])],
                    [.make("Loop", names, ["y"], ["body": .graph(body)])]))
        }
    }

    @Test func rowsAreFollowedThroughALoop() throws {
        func loop(_ step: Node) throws -> RowVerdict {
            let body = Graph.make(
                inputs: [.make("i", [], .int64), .make("c", [], .bool), .make("s", [nil, 6])],
                outputs: [.make("c2", [], .bool), .make("s2", [nil, 6])],
                [.make("Identity", ["c"], ["c2"]), step])
            return try verdict(
                constants: ["n": .int64s([], [3]), "axes": .int64s([1], [0])],
                [.make("Loop", ["n", "", "x"], ["y"], ["body": .graph(body)])])
        }
        let found = try loop(.make("Add", ["s", "x"], ["s2"]))
        #expect(found.isIndependent, "\(found.text)")
        expectMixing("CumSum", try loop(.make("CumSum", ["s", "axes"], ["s2"])))
    }
}
