import ApusCore
import Testing

@testable import ApusEngine

/// Loops of graphs that nobody has checked, and their edges.
struct LoopTests {
    /// `x + 1` while the trip count or the condition lasts; stacks `stacked`.
    private func counting(
        tripCount: Bool = true, stacked: GraphValue = .make("y", []), body nodes: [Node]? = nil,
        initializers: [String: Tensor] = [:]
    ) throws -> Graph {
        let body = Graph.make(
            inputs: [
                .make("i", [], .int64), .make("c", [], .bool), .make("x", [nil]),
            ],
            outputs: [.make("c", [], .bool), .make("next", [nil]), stacked],
            initializers: initializers.merging(["one": try .floats([1], [1])]) { $1 },
            nodes ?? [
                .make("Add", ["x", "one"], ["next"]), .make("ReduceSum", ["x"], ["y"]),
            ])
        return Graph.make(
            inputs: [.make("m", [], .int64), .make("start", [nil])],
            outputs: [.make("end", nil), .make("all", nil)],
            [
                .make(
                    "Loop", [tripCount ? "m" : "", "", "start"], ["end", "all"],
                    ["body": .graph(body)])
            ])
    }

    private func run(
        _ graph: Graph, _ tripCount: Int64, options: EngineOptions = EngineOptions(),
        cancellation: RunControl? = nil
    ) throws -> [Tensor] {
        try EngineModel(graph, options: options).makeInstance().run(
            [try .int64s([], [tripCount]), try .floats([1], [2])], threadCountMax: 1,
            cancellation: cancellation)
    }

    @Test func carriesValuesAndStacksTheRest() throws {
        let outputs = try run(try counting(stacked: .make("y", nil)), 3)
        #expect(outputs[0].floats == [5])
        #expect(outputs[1].shape == [3, 1])
        #expect(outputs[1].floats == [2, 3, 4])
    }

    /// Not what the file says of the body's output.
    @Test(arguments: [0, -1, Int64.min]) func withoutATripTheShapeIsTheBodys(
        tripCount: Int64
    ) throws {
        let outputs = try run(try counting(stacked: .make("y", [4, nil], .int64)), tripCount)
        #expect(outputs[0].floats == [2])
        #expect(outputs[1].shape == [0, 1])
        #expect(outputs[1].dataType == .float)
    }

    @Test func withoutATripABodyThatDependsOnContentsIsBelieved() throws {
        let graph = try counting(
            stacked: .make("y", [4, nil], .int64),
            body: [.make("Add", ["x", "one"], ["next"]), .make("NonZero", ["x"], ["y"])])
        let outputs = try run(graph, 0)
        #expect(outputs[1].shape == [0, 4, 0])
        #expect(outputs[1].dataType == .int64)
    }

    @Test func aLoopWithoutEndIsCancelled() throws {
        let flag = CancellationFlag()
        flag.cancel()
        #expect(throws: EngineError.cancelled) {
            try run(try counting(tripCount: false), 0, cancellation: RunControl(flag))
        }
    }

    @Test func aLoopOf2To60TripsStopsAtTheMemoryLimit() throws {
        var options = EngineOptions()
        options.memoryByteCountMax = 32 << 10
        let error = #expect(throws: EngineError.self) {
            try run(try counting(), 1 << 60, options: options)
        }
        #expect(error?.kind == .resourceExhausted)
    }

    @Test func scanOutputsMustKeepTheirShape() throws {
        let growing: [Node] = [
            .make("Concat", ["x", "one"], ["next"], ["axis": .int(0)]),
            .make("Identity", ["x"], ["y"]),
        ]
        #expect(throws: EngineError.self) { try run(try counting(body: growing), 2) }
        #expect(try run(try counting(body: growing), 1)[1].shape == [1, 1])
    }

    @Test func aBodyWithOtherInputsIsRefused() throws {
        var graph = try counting()
        graph.nodes[0].inputs.append("start")
        let error = #expect(throws: EngineError.self) { try EngineModel(graph) }
        #expect(error?.message.contains("Loop") == true)
    }

    @Test func nestingIsLimited() throws {
        var body = Graph.make(
            inputs: [], outputs: [.make("y", nil)], [.make("Relu", ["x"], ["y"])])
        for _ in 0..<80 {
            body = .make(
                inputs: [], outputs: [.make("y", nil)],
                [
                    .make(
                        "If", ["c"], ["y"],
                        [
                            "then_branch": .graph(body),
                            "else_branch": .graph(
                                .make(inputs: [], outputs: [.make("x", nil)], [])),
                        ])
                ])
        }
        body.inputs = [.make("c", [], .bool), .make("x", [nil])]
        let error = #expect(throws: EngineError.self) { try EngineModel(body) }
        #expect(error?.message.contains("64 deep") == true)
    }

    @Test func insertingForEverStopsAtTheMemoryLimit() throws {
        let sequence = ValueType.sequence(.tensor(.float))
        let body = Graph.make(
            inputs: [
                .make("i", [], .int64), .make("c", [], .bool),
                GraphValue(name: "s", type: sequence, shape: nil),
            ],
            outputs: [.make("c", [], .bool), GraphValue(name: "t", type: sequence, shape: nil)],
            [.make("SequenceInsert", ["s", "start"], ["t"])])
        let graph = Graph.make(
            inputs: [.make("m", [], .int64), .make("start", [nil])],
            outputs: [.make("n", [], .int64)],
            [
                .make("SequenceEmpty", [], ["empty"]),
                .make("Loop", ["m", "", "empty"], ["end"], ["body": .graph(body)]),
                .make("SequenceLength", ["end"], ["n"]),
            ])
        var options = EngineOptions()
        options.memoryByteCountMax = 64 << 10
        #expect(try run(graph, 10, options: options)[0].elements(as: Int64.self) == [10])
        let error = #expect(throws: EngineError.self) { try run(graph, 1 << 60, options: options) }
        #expect(error?.kind == .resourceExhausted)
    }
}
