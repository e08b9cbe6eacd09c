import ApusCore
import Testing

@testable import ApusEngine

/// Weights are in memory once: as the plan computes with them.
struct ModelConstantTests {
    /// Owns a tensor's memory; gone when nobody holds the tensor.
    private final class Owner {
        let memory = AlignedFloats(count: 64 * 64)
    }

    private final class AlignedFloats {
        let pointer: UnsafeMutablePointer<Float>
        let count: Int

        init(count: Int) {
            self.count = count
            pointer = UnsafeMutableRawPointer.allocate(byteCount: count * 4, alignment: 64)
                .bindMemory(to: Float.self, capacity: count)
            for i in 0..<count { pointer[i] = Float(i % 7) - 3 }
        }

        deinit { pointer.deallocate() }
    }

    /// A model over weights `w` of `[64, 64]`, and who owns them.
    private func model(
        _ nodes: [Node], outputs: [GraphValue], inputs: [GraphValue]
    ) throws -> (EngineModel, weights: () -> Owner?) {
        let owner = Owner()
        let bytes = TensorBytes(
            pointer: UnsafeRawPointer(owner.memory.pointer), count: 64 * 64 * 4, owner: owner)
        let weights = try Tensor(dataType: .float, shape: [64, 64], bytes: bytes)
        let model = try EngineModel(
            .make(inputs: inputs, outputs: outputs, initializers: ["w": weights], nodes))
        return (model, { [weak owner] in owner })
    }

    private func rows(_ count: Int) throws -> Tensor {
        try .floats([count, 64], (0..<count * 64).map { Float($0 % 5) })
    }

    @Test func elementsThatOnlyProductsReadAreLetGo() throws {
        let (model, weights) = try model(
            [.make("MatMul", ["x", "w"], ["y"])], outputs: [.make("y", [nil, 64])],
            inputs: [.make("x", [nil, 64])])
        let instance = try model.makeInstance()
        let first = try instance.run([rows(1)], threadCountMax: 1, cancellation: nil)
        #expect(weights() == nil)
        #expect(model.program.constantByteCount == 0)
        // Other shapes, and a node on its own, have the same layout.
        for count in [2, 3, 17] {
            let output = try instance.run([rows(count)], threadCountMax: 1, cancellation: nil)
            #expect(Array(output[0].floats[..<64]) == first[0].floats)
        }
    }

    @Test func elementsThatAnotherNodeReadsAsTheyAreStay() throws {
        let (model, weights) = try model(
            [.make("MatMul", ["x", "w"], ["y"]), .make("Gather", ["w", "i"], ["z"])],
            outputs: [.make("y", [nil, 64]), .make("z", [nil, 64])],
            inputs: [.make("x", [nil, 64]), .make("i", [nil], .int64)])
        let instance = try model.makeInstance()
        for count in [1, 2] {
            let output = try instance.run(
                [rows(count), .int64s([1], [2])], threadCountMax: 1, cancellation: nil)
            #expect(output[1].floats[0] == Float(128 % 7) - 3)
        }
        #expect(weights() != nil)
    }

    @Test func elementsThatAreAnOutputStay() throws {
        let (model, weights) = try model(
            [.make("MatMul", ["x", "w"], ["y"])],
            outputs: [.make("y", [nil, 64]), .make("w", [64, 64])],
            inputs: [.make("x", [nil, 64])])
        let output = try model.makeInstance()
            .run([rows(1)], threadCountMax: 1, cancellation: nil)
        #expect(output[1].floats[1] == -2)
        #expect(weights() != nil)
    }

    @Test func elementsAreLetGoWhereAModelRunsOnValues() throws {
        // The shape of the product's input is known at run time only.
        let (model, weights) = try model(
            [
                .make("Reshape", ["x", "shape"], ["a"]), .make("MatMul", ["a", "w"], ["y"]),
            ],
            outputs: [.make("y", nil)],
            inputs: [.make("x", [nil]), .make("shape", [2], .int64)])
        let instance = try model.makeInstance()
        for count in [1, 2, 3] {
            let output = try instance.run(
                [
                    rows(count).reshaped(to: [count * 64]),
                    .int64s([2], [Int64(count), 64]),
                ], threadCountMax: 1, cancellation: nil)
            #expect(output[0].shape == [count, 64])
        }
        #expect(weights() == nil)
    }

    @Test func weightsOfASubGraphAreLetGoToo() throws {
        func make() throws -> (EngineModel, weights: () -> Owner?) {
            let owner = Owner()
            let bytes = TensorBytes(
                pointer: UnsafeRawPointer(owner.memory.pointer), count: 64 * 64 * 4, owner: owner)
            let weights = try Tensor(dataType: .float, shape: [64, 64], bytes: bytes)
            let product = Graph.make(
                inputs: [], outputs: [.make("p", nil)], initializers: ["w": weights],
                [.make("MatMul", ["x", "w"], ["p"])])
            let other = Graph.make(
                inputs: [], outputs: [.make("q", nil)], [.make("Relu", ["x"], ["q"])])
            let model = try EngineModel(
                .make(
                    inputs: [.make("c", [1], .bool), .make("x", [nil, 64])],
                    outputs: [.make("y", nil)],
                    [
                        .make(
                            "If", ["c"], ["y"],
                            ["then_branch": .graph(product), "else_branch": .graph(other)])
                    ]))
            return (model, { [weak owner] in owner })
        }
        let (model, weights) = try make()
        #expect(weights() != nil)
        #expect(model.memoryByteCount == 64 * 64 * 4)
        let condition = try Tensor(.bool, [1], [UInt8(1)])
        let instance = try model.makeInstance()
        for count in [1, 2] {
            _ = try instance.run([condition, rows(count)], threadCountMax: 1, cancellation: nil)
        }
        #expect(weights() == nil)
    }
}
