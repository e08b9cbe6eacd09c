import ApusCore
import Testing

@testable import ApusEngine

/// What planning does with memory, and how a model behaves over its runs.
struct PlanTests {
    /// A chain of `count` Relu nodes from x to y.
    private func chain(_ count: Int) -> [Node] {
        (0..<count).map { index in
            Node.make(
                "Relu", [index == 0 ? "x" : "v\(index)"],
                [index == count - 1 ? "y" : "v\(index + 1)"])
        }
    }

    private func plan(_ model: EngineModel, _ signature: [PlannedTensor]) throws -> Plan {
        let session = RunSession(
            packed: model.packed, memory: model.memory, options: model.options)
        guard case .plan(let plan) = try ProgramRunner.entry(model.program, signature, session)
        else {
            throw EngineError.invalidGraph("runs on values")
        }
        return plan
    }

    @Test func elementwiseChainsRunInPlaceInTheOutputsMemory() throws {
        let model = try EngineModel(
            .make(inputs: [.make("x", [nil, 8])], outputs: [.make("y", [nil, 8])], chain(10)))
        let plan = try plan(model, [PlannedTensor(.float, [4, 8])])
        #expect(plan.steps.count == 10)
        #expect(plan.arenaByteCount == 0)
    }

    @Test func theCallersInputIsNeverWritten() throws {
        let model = try EngineModel(
            .make(inputs: [.make("x", [nil])], outputs: [.make("y", [nil])], chain(3)))
        let input = try Tensor.floats([3], [-1, 0, 2])
        let output = try model.makeInstance().run([input], threadCountMax: 1, cancellation: nil)
        #expect(output[0].floats == [0, 0, 2])
        #expect(input.floats == [-1, 0, 2])
    }

    @Test func reshapeCostsNoStepAndNoMemory() throws {
        let shape = try Tensor.int64s([2], [-1, 2])
        let model = try EngineModel(
            .make(
                inputs: [.make("x", [nil])], outputs: [.make("y", [nil, 2])],
                initializers: ["shape": shape],
                [.make("Relu", ["x"], ["a"]), .make("Reshape", ["a", "shape"], ["y"])]))
        let plan = try plan(model, [PlannedTensor(.float, [6])])
        #expect(plan.steps.count == 1)
        #expect(plan.arenaByteCount == 0)
        let output = try model.makeInstance().run(
            [try .floats([4], [1, -2, 3, -4])], threadCountMax: 1, cancellation: nil)
        #expect(output[0].shape == [2, 2])
        #expect(output[0].floats == [1, 0, 3, 0])
    }

    @Test func packedWeightsTakeThePlaceOfTheFiles() throws {
        // Weights of a file lie anywhere; only what no packed form replaces is copied to be aligned.
        func packedByteCount(offset: Int) throws -> Int {
            let count = 16 * 3 * 3 * 3 * 4
            let bytes = try TensorBytes(byteCount: count + offset) { memory in
                memory.withMemoryRebound(to: UInt8.self) { $0.update(repeating: 0) }
            }
            let weights = try Tensor(
                dataType: .float, shape: [16, 3, 3, 3],
                bytes: bytes.slice(offset..<offset + count))
            let model = try EngineModel(
                .make(
                    inputs: [.make("x", [nil, 3, 8, 8])], outputs: [.make("y", nil)],
                    initializers: ["w": weights], [.make("Conv", ["x", "w"], ["y"])]))
            let image = try Tensor.floats([1, 3, 8, 8], [Float](repeating: 1, count: 192))
            _ = try model.makeInstance().run([image], threadCountMax: 1, cancellation: nil)
            return model.packed.byteCount
        }
        let aligned = try packedByteCount(offset: 0)
        #expect(aligned > 0)
        #expect(try packedByteCount(offset: 4) == aligned)
    }

    @Test func aReshapeThatDependsOnDataRunsOnValues() throws {
        let model = try EngineModel(
            .make(
                inputs: [.make("x", [nil]), .make("shape", [nil], .int64)],
                outputs: [.make("y", nil)],
                [.make("Reshape", ["x", "shape"], ["a"]), .make("Relu", ["a"], ["y"])]))
        let instance = try model.makeInstance()
        for shape: [Int64] in [[2, 3], [3, 2], [1, 6, 1]] {
            let output = try instance.run(
                [
                    try .floats([6], [1, -1, 2, -2, 3, -3]),
                    try .int64s([shape.count], shape),
                ], threadCountMax: 1, cancellation: nil)
            #expect(output[0].shape == shape.map { Int($0) })
            #expect(output[0].floats == [1, 0, 2, 0, 3, 0])
        }
    }

    @Test func constantsAreFoldedAndDeadNodesDropped() throws {
        let model = try EngineModel(
            .make(
                inputs: [.make("x", [2])], outputs: [.make("y", [2])],
                initializers: ["c": try .floats([2], [-1, 5])],
                [
                    .make("Relu", ["c"], ["positive"]),
                    .make("Add", ["x", "positive"], ["y"]),
                    .make("Relu", ["x"], ["unused"]),
                ]))
        #expect(model.operatorCounts == ["Add": 1])
        let output = try model.makeInstance().run(
            [try .floats([2], [1, 1])], threadCountMax: 1, cancellation: nil)
        #expect(output[0].floats == [1, 6])
    }

    @Test func anInputHandedThroughAndAConstantAreOutputsToo() throws {
        let model = try EngineModel(
            .make(
                inputs: [.make("x", [2])],
                outputs: [.make("x", [2]), .make("c", [1]), .make("y", [2]), .make("z", [1, 2])],
                initializers: [
                    "c": try .floats([1], [9]), "shape": try .int64s([2], [1, 2]),
                ],
                [
                    .make("Relu", ["x"], ["y"]), .make("Reshape", ["y", "shape"], ["z"]),
                ]))
        let output = try model.makeInstance().run(
            [try .floats([2], [-3, 4])], threadCountMax: 1, cancellation: nil)
        #expect(output.map(\.floats) == [[-3, 4], [9], [0, 4], [0, 4]])
        #expect(output[3].shape == [1, 2])
    }

    @Test func earlierAnswersStayAsTheyWere() throws {
        let model = try EngineModel(
            .make(inputs: [.make("x", [nil])], outputs: [.make("y", [nil])], chain(2)))
        let instance = try model.makeInstance()
        let first = try instance.run([.floats([2], [1, 2])], threadCountMax: 1, cancellation: nil)
        _ = try instance.run([.floats([2], [7, 8])], threadCountMax: 1, cancellation: nil)
        #expect(first[0].floats == [1, 2])
    }

    @Test func manyShapesUseOneInstanceInTurn() throws {
        let model = try EngineModel(
            .make(inputs: [.make("x", [nil])], outputs: [.make("y", [nil])], chain(3)))
        let instance = try model.makeInstance()
        for length in Array(0..<100) + Array((0..<100).reversed()) {
            let elements = (0..<length).map { Float($0) }
            let output = try instance.run(
                [.floats([length], elements)], threadCountMax: 2, cancellation: nil)
            #expect(output[0].floats == elements)
        }
    }

    @Test func aCancelledRunStopsWithThatError() throws {
        let model = try EngineModel(
            .make(inputs: [.make("x", [nil])], outputs: [.make("y", [nil])], chain(3)))
        let flag = CancellationFlag()
        flag.cancel()
        #expect(throws: EngineError.cancelled) {
            try model.makeInstance().run(
                [.floats([1], [1])], threadCountMax: 1, cancellation: RunControl(flag))
        }
    }

    @Test func aMemoryLimitRefusesWhatIsOverIt() throws {
        var options = EngineOptions()
        options.memoryByteCountMax = 16 << 10
        let model = try EngineModel(
            .make(inputs: [.make("x", [nil])], outputs: [.make("y", [nil])], chain(1)),
            options: options)
        let large = try Tensor.floats([10_000], [Float](repeating: 1, count: 10_000))
        #expect(throws: EngineError.self) {
            try model.makeInstance().run([large], threadCountMax: 1, cancellation: nil)
        }
    }
}

/// Graphs that are not valid.
struct InvalidGraphTests {
    private func message(_ graph: Graph) -> String {
        do {
            _ = try EngineModel(graph)
            return "accepted"
        } catch {
            return "\(error)"
        }
    }

    @Test func aCycleIsNamed() {
        let graph = Graph.make(
            inputs: [.make("x", [1])], outputs: [.make("y", [1])],
            [
                .make("Add", ["x", "b"], ["a"]), .make("Add", ["a", "x"], ["b"]),
                .make("Relu", ["b"], ["y"]),
            ])
        #expect(message(graph).contains("cycle"))
    }

    @Test func aValueMadeTwiceIsNamed() {
        let graph = Graph.make(
            inputs: [.make("x", [1])], outputs: [.make("y", [1])],
            [.make("Relu", ["x"], ["y"]), .make("Relu", ["x"], ["y"])])
        #expect(message(graph).contains("\"y\" is made twice"))
    }

    @Test func aValueThatNothingMakesIsNamed() {
        let graph = Graph.make(
            inputs: [.make("x", [1])], outputs: [.make("y", [1])],
            [.make("Add", ["x", "ghost"], ["y"])])
        #expect(message(graph).contains("ghost"))
    }

    @Test func anUnknownOperatorIsNamedWithItsOpset() {
        let graph = Graph.make(
            inputs: [.make("x", [1])], outputs: [.make("y", [1])],
            [.make("Frobnicate", ["x"], ["y"])])
        #expect(message(graph).contains("Frobnicate"))
    }

    @Test func nodesInAnyOrderAreSorted() throws {
        let model = try EngineModel(
            .make(
                inputs: [.make("x", [1])], outputs: [.make("y", [1])],
                [.make("Relu", ["a"], ["y"]), .make("Add", ["x", "x"], ["a"])]))
        let output = try model.makeInstance().run(
            [.floats([1], [3])], threadCountMax: 1, cancellation: nil)
        #expect(output[0].floats == [6])
    }

    /// Steps write the first output, whether it has a name or not.
    @Test func aFirstOutputMayHaveNoName() throws {
        let x = try Tensor.floats([2, 2], [1, 3, 5, 9])
        let one = try Tensor.floats([2], [1, 1])
        func second(_ node: Node) throws -> [Float] {
            let graph = Graph.make(
                inputs: [.make("x", [2, 2])], outputs: [.make("y", nil)],
                initializers: ["w": one, "v": one], [node])
            return try EngineModel(graph).makeInstance().run(
                [x], threadCountMax: 1, cancellation: nil)[0].floats
        }
        #expect(try second(.make("LayerNormalization", ["x", "w"], ["", "y"])) == [2, 7])
        #expect(
            try second(
                .make(
                    "BatchNormalization", ["x", "w", "w", "w", "v"], ["", "y", ""],
                    ["training_mode": .int(1), "momentum": .float(0)])) == [3, 6])
    }

    /// In a sub-graph, where nobody looks for dead nodes.
    @Test(arguments: [[], [""]]) func aNodeWithoutOutputsDoesNothing(outputs: [String]) throws {
        func branch(_ node: Node) -> Attribute {
            .graph(
                .make(inputs: [], outputs: [.make("o", nil)], [node, .make("Neg", ["x"], ["o"])]))
        }
        let scatter = Node.make("ScatterND", ["x", "i", "x"], outputs)
        let graph = Graph.make(
            inputs: [.make("c", [], .bool), .make("x", [2])], outputs: [.make("y", nil)],
            initializers: ["i": try .int64s([2, 1], [0, 1])],
            [
                .make(
                    "If", ["c"], ["y"],
                    [
                        "then_branch": branch(scatter),
                        "else_branch": branch(.make("Relu", ["x"], outputs)),
                    ])
            ])
        let instance = try EngineModel(graph).makeInstance()
        for condition: UInt8 in [0, 1] {
            let y = try instance.run(
                [try Tensor(.bool, [], [condition]), try .floats([2], [1, 2])],
                threadCountMax: 1, cancellation: nil)
            #expect(y[0].floats == [-1, -2])
        }
    }

    @Test func inputsThatNoMemoryHoldsAreRefused() throws {
        let shapes: [[Int?]] = [
            [1 << 40, 1 << 40], [.max, 2], [nil, 1 << 47, 1 << 47, 0], [.max, .max, .max],
        ]
        for shape in shapes {
            for type in ["Flatten", "Relu", "Transpose", "GlobalAveragePool"] {
                let graph = Graph.make(
                    inputs: [.make("x", shape)], outputs: [.make("y", nil)],
                    [.make(type, ["x"], ["y"])])
                let model = try EngineModel(graph)
                if !shape.contains(nil) {
                    #expect(throws: EngineError.self) { try model.checkFixedShapes() }
                }
            }
        }
    }

    @Test func inputsOfTheWrongShapeOrTypeAreRefusedByName() throws {
        let model = try EngineModel(
            .make(
                inputs: [.make("pixels", [nil, 4])], outputs: [.make("y", [nil, 4])],
                [.make("Relu", ["pixels"], ["y"])]))
        let instance = try model.makeInstance()
        for wrong in [
            try Tensor.floats([4], [1, 2, 3, 4]), try Tensor.floats([1, 3], [1, 2, 3]),
            try Tensor.int64s([1, 4], [1, 2, 3, 4]),
        ] {
            let error = #expect(throws: EngineError.self) {
                try instance.run([wrong], threadCountMax: 1, cancellation: nil)
            }
            #expect(error.map { "\($0)" }?.contains("pixels") == true)
        }
    }
}
