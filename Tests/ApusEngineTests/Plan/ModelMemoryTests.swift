import ApusCore
import Dispatch
import Testing

@testable import ApusEngine

/// What models hold between and during runs.
struct ModelMemoryTests {
    /// Two convolutions over images of any size.
    private func convolutions() throws -> EngineModel {
        let weights = try Tensor.floats([8, 1, 3, 3], (0..<72).map { Float($0) / 72 })
        let second = try Tensor.floats([8, 8, 3, 3], (0..<576).map { Float($0) / 576 })
        return try EngineModel(
            .make(
                inputs: [.make("x", [nil, 1, nil, nil])], outputs: [.make("y", nil)],
                initializers: ["w": weights, "v": second],
                [
                    .make("Conv", ["x", "w"], ["a"]), .make("Conv", ["a", "v"], ["b"]),
                    .make("GlobalMaxPool", ["b"], ["y"]),
                ]))
    }

    private func image(_ side: Int) throws -> Tensor {
        try .floats([1, 1, side, side], [Float](repeating: 1, count: side * side))
    }

    @Test func activationsAreCountedSharedAndGivenBack() throws {
        let model = try convolutions()
        let before = model.memoryByteCount
        let instances = try (0..<4).map { _ in try model.makeInstance() }
        var counts: [Int] = []
        for instance in instances {
            _ = try instance.run([image(200)], threadCountMax: 1, cancellation: nil)
            counts.append(model.memoryByteCount)
        }
        #expect(counts[0] - before > 200 * 200 * 8 * 4)
        #expect(counts[3] == counts[0], "instances that do not run at once share their memory")
        model.releaseIdle()
        #expect(model.memoryByteCount - before < 100_000)
        _ = try instances[0].run([image(200)], threadCountMax: 1, cancellation: nil)
    }

    @Test func manySizesKeepMemoryForOne() throws {
        let model = try convolutions()
        let instance = try model.makeInstance()
        _ = try instance.run([image(300)], threadCountMax: 1, cancellation: nil)
        let one = model.memoryByteCount
        for side in 200..<300 {
            _ = try instance.run([image(side)], threadCountMax: 1, cancellation: nil)
        }
        #expect(model.memoryByteCount < one + 100 * 50_000)
        for side in 300..<320 {
            _ = try instance.run([image(side)], threadCountMax: 1, cancellation: nil)
        }
        #expect(model.memoryByteCount < 2 * one + 120 * 50_000)
    }

    @Test func plansAreThrownOutByTheirBytes() throws {
        let cache = PlanCache(byteCountMax: 1 << 20)
        let model = try convolutions()
        let session = RunSession(
            packed: model.packed, memory: model.memory, options: model.options)
        for side in 10..<400 {
            let signature = [PlannedTensor(.float, [1, 1, side, side])]
            _ = try cache.entry(for: signature) { () throws(PlanningFailure) in
                guard
                    case .plan(let plan) = try? ProgramRunner.entry(
                        model.program, signature, session)
                else { throw .needsValues }
                return plan
            }
        }
        #expect(cache.byteCount <= 1 << 20)
        #expect(cache.count > 1)
        #expect(cache[[PlannedTensor(.float, [1, 1, 399, 399])]] != nil)
        #expect(cache[[PlannedTensor(.float, [1, 1, 10, 10])]] == nil)
        cache.shrink(toByteCount: 0)
        #expect(cache.count == 1)
    }

    @Test func callersTogetherStayWithinTheLimit() throws {
        var options = EngineOptions()
        options.memoryByteCountMax = 24 << 20
        let graph = Graph.make(
            inputs: [.make("n", [1], .int64)], outputs: [.make("y", nil)],
            [.make("ConstantOfShape", ["n"], ["z"]), .make("Relu", ["z"], ["y"])])
        let model = try EngineModel(graph, options: options)
        let refused = Guarded(0)
        DispatchQueue.concurrentPerform(iterations: 8) { caller in
            for step in 0..<20 {
                do {
                    let count = Int64(1 << 20 + caller << 18 + step)
                    let instance = try model.makeInstance()
                    let y = try instance.run(
                        [.int64s([1], [count])], threadCountMax: 1, cancellation: nil)
                    #expect(y[0].shape == [Int(count)])
                    #expect(model.memory.account.byteCount <= 24 << 20 + 8 << 23)
                } catch let error as EngineError {
                    #expect(error.kind == .resourceExhausted)
                    refused.withLock { $0 += 1 }
                } catch {
                    Issue.record(error)
                }
            }
        }
        model.releaseIdle()
        #expect(model.memory.account.byteCount < 1 << 20)
        let error = #expect(throws: EngineError.self) {
            try model.makeInstance().run(
                [.int64s([1], [1 << 32])], threadCountMax: 1, cancellation: nil)
        }
        #expect(error?.kind == .resourceExhausted)
    }

    @Test(arguments: ["StringConcat", "Concat"])
    func textThatDoublesStopsAtTheLimit(operation: String) throws {
        let text = ValueType.tensor(.string)
        let body = Graph.make(
            inputs: [
                .make("i", [], .int64), .make("c", [], .bool),
                GraphValue(name: "s", type: text, shape: nil),
            ],
            outputs: [.make("c", [], .bool), GraphValue(name: "t", type: text, shape: nil)],
            [
                .make(
                    operation, ["s", "s"], ["t"],
                    operation == "Concat" ? ["axis": .int(0)] : [:])
            ])
        let graph = Graph.make(
            inputs: [.make("m", [], .int64), GraphValue(name: "x", type: text, shape: [1])],
            outputs: [GraphValue(name: "y", type: text, shape: nil)],
            [.make("Loop", ["m", "", "x"], ["y"], ["body": .graph(body)])])
        var options = EngineOptions()
        options.memoryByteCountMax = 8 << 20
        let model = try EngineModel(graph, options: options)
        let x = try Tensor(shape: [1], strings: [Array("text".utf8)])
        let instance = try model.makeInstance()
        let y = try instance.run([.int64s([], [3]), x], threadCountMax: 1, cancellation: nil)
        #expect(y[0].strings?.joined().count == 32)
        let error = #expect(throws: EngineError.self) {
            try instance.run([.int64s([], [1 << 60]), x], threadCountMax: 1, cancellation: nil)
        }
        #expect(error?.kind == .resourceExhausted)
        #expect(model.memory.account.byteCount < 1 << 20)
    }

    @Test func treesWithManyTargetsTakeScratchForOneRow() throws {
        let count = 1 << 20
        let node = Node.make(
            "TreeEnsembleRegressor", ["x"], ["y"],
            [
                "n_targets": .int(Int64(count)), "nodes_treeids": .ints([0]),
                "nodes_nodeids": .ints([0]), "nodes_featureids": .ints([0]),
                "nodes_modes": .strings([Array("LEAF".utf8)]), "nodes_values": .floats([0]),
                "nodes_truenodeids": .ints([0]), "nodes_falsenodeids": .ints([0]),
                "target_treeids": .ints([0]), "target_nodeids": .ints([0]),
                "target_ids": .ints([7]), "target_weights": .floats([2]),
            ], opset: 3, domain: "ai.onnx.ml")
        let model = try EngineModel(
            .make(inputs: [.make("x", [nil, 1])], outputs: [.make("y", nil)], [node]))
        guard
            case .plan(let plan) = try ProgramRunner.entry(
                model.program, [PlannedTensor(.float, [2, 1])],
                RunSession(packed: model.packed, memory: model.memory, options: model.options))
        else { throw EngineError.invalidGraph("runs on values") }
        #expect(plan.scratchByteCount < 6 * count)
        let y = try model.makeInstance().run(
            [.floats([2, 1], [0, 0])], threadCountMax: 1, cancellation: nil)
        #expect(y[0].floats[count + 7] == 2)
    }
}
