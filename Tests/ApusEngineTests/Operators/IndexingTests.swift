import ApusCore
import Testing

@testable import ApusEngine

struct IndexingTests {
    private let data: [Float] = (0..<6).map(Float.init)

    @Test func negativeIndicesCountFromTheBack() throws {
        let x = try Tensor.floats([3, 2], data)
        let result = try run("Gather", [x, try .int64s([2], [-1, 0])])[0]
        #expect(result.floats == [4, 5, 0, 1])
        let column = try run("Gather", [x, try Tensor(.int32, [], [Int32(1)])], ["axis": .int(1)])[
            0]
        #expect(column.shape == [3])
        #expect(column.floats == [1, 3, 5])
    }

    @Test(arguments: [3, -4, Int64.max, Int64.min]) func indicesOutOfRangeAreRefused(
        index: Int64
    ) throws {
        let x = try Tensor.floats([3, 2], data)
        let one = try Tensor.int64s([1, 1], [index])
        let update = try Tensor.floats([1, 1], [1])
        #expect(throws: EngineError.self) { try run("Gather", [x, one]) }
        #expect(throws: EngineError.self) { try run("GatherElements", [x, one]) }
        #expect(throws: EngineError.self) { try run("GatherND", [x, one]) }
        #expect(throws: EngineError.self) { try run("ScatterElements", [x, one, update]) }
        let row = try Tensor.floats([1, 2], [1, 1])
        #expect(throws: EngineError.self) { try run("ScatterND", [x, one, row]) }
    }

    @Test func repeatedUpdatesAreAllApplied() throws {
        let x = try Tensor.floats([3], [1, 1, 1])
        let indices = try Tensor.int64s([3], [1, 1, -1])
        let updates = try Tensor.floats([3], [2, 3, 5])
        func scatter(_ reduction: String) throws -> [Float] {
            try run(
                "ScatterElements", [x, indices, updates],
                ["reduction": .string(Array(reduction.utf8))])[0].floats
        }
        #expect(try scatter("none") == [1, 3, 5])
        #expect(try scatter("add") == [1, 6, 6])
        #expect(try scatter("mul") == [1, 6, 5])
        #expect(try scatter("max") == [1, 3, 5])
        #expect(try scatter("min") == [1, 1, 1])
        #expect(throws: EngineError.self) { try scatter("median") }
    }

    @Test func gatheringByTuplesSharesBatchDimensions() throws {
        let x = try Tensor.floats([2, 3], data)
        let indices = try Tensor.int64s([2, 1], [2, 0])
        let plain = try run("GatherND", [x, try .int64s([1, 2], [1, 2])])[0]
        #expect(plain.floats == [5])
        let batched = try run("GatherND", [x, indices], ["batch_dims": .int(1)])[0]
        #expect(batched.floats == [2, 3])
    }

    @Test func scatterDoesNotOverwriteUpdatesThatShareTheDatasMemory() throws {
        // v and its reshaped alias die in the same node.
        let graph = Graph.make(
            inputs: [.make("x", [4])], outputs: [.make("y", nil)],
            initializers: [
                "shape": try .int64s([2], [4, 1]), "indices": try .int64s([4, 1], [3, 2, 1, 0]),
            ],
            [
                .make("Neg", ["x"], ["v"]), .make("Reshape", ["v", "shape"], ["u"]),
                .make("Squeeze", ["u"], ["w"]), .make("ScatterND", ["v", "indices", "w"], ["y"]),
            ])
        let result = try EngineModel(graph).makeInstance().run(
            [try .floats([4], [1, 2, 3, 4])], threadCountMax: 1, cancellation: nil)
        #expect(result[0].floats == [-4, -3, -2, -1])
    }

    @Test func compressTakesWhatTheConditionHolds() throws {
        let x = try Tensor.floats([3, 2], data)
        let condition = try Tensor(.bool, [3], [false, true, true])
        #expect(try run("Compress", [x, condition], ["axis": .int(0)])[0].floats == [2, 3, 4, 5])
        #expect(try run("Compress", [x, condition])[0].floats == [1, 2])
    }

    @Test func oneHotLeavesIndicesOutOfRangeOff() throws {
        let indices = try Tensor.int64s([3], [1, -1, 5])
        let result = try run(
            "OneHot", [indices, try .int64s([], [3]), try .floats([2], [0, 1])])[0]
        #expect(result.floats == [0, 1, 0, 0, 0, 1, 0, 0, 0])
    }

    @Test func aCacheIsWrittenAroundItsEnd() throws {
        let cache = try Tensor.floats([1, 1, 4, 1], [0, 0, 0, 0])
        let update = try Tensor.floats([1, 1, 2, 1], [1, 2])
        let at = try Tensor.int64s([1], [3])
        let result = try run(
            "TensorScatter", [cache, update, at], ["mode": .string(Array("circular".utf8))],
            opset: 24)[0]
        #expect(result.floats == [2, 0, 0, 1])
        #expect(throws: EngineError.self) {
            try run("TensorScatter", [cache, update, at], opset: 24)
        }
    }
}
