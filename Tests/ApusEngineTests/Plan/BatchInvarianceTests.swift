import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

/// An image's answer has the same bits alone and in a batch, on one thread and on two.
struct BatchInvarianceTests {
    /// A stem, a residual block, a depthwise block with a gate, and a grouped convolution.
    private func network(batch: Int) throws -> (ImageNetwork, outputs: [String]) {
        var network = ImageNetwork(seed: 11, shape: [batch, 3, 19, 17], isWhole: false)
        let stem = network.add("Relu", [try network.convolution("x", [20, 3, 7, 7], stride: 2)])
        let pooled = network.add(
            "MaxPool", [stem],
            [
                "kernel_shape": .ints([3, 3]), "strides": .ints([2, 2]),
                "pads": .ints([1, 1, 1, 1]),
            ])
        let inner = network.add("Relu", [try network.convolution(pooled, [20, 20, 3, 3])])
        let second = try network.convolution(inner, [20, 20, 3, 3])
        let block = network.add("Relu", [network.add("Add", [second, pooled])])
        let wide = network.add(
            "Clip",
            [
                try network.convolution(block, [52, 20, 1, 1]), try network.constant([], [0]),
                try network.constant([], [6]),
            ])
        let deep = network.add(
            "HardSwish", [try network.convolution(wide, [52, 1, 5, 5], groups: 52)])
        let gate = network.add("Sigmoid", [network.add("GlobalAveragePool", [deep])])
        let narrow = try network.convolution(network.add("Mul", [deep, gate]), [20, 52, 1, 1])
        let sum = network.add("Add", [narrow, block])
        let grouped = try network.convolution(sum, [24, 5, 3, 3], stride: 2, groups: 4)
        let mean = network.add("GlobalAveragePool", [grouped])
        let flat = network.add("Flatten", [mean])
        return (network, [sum, flat])
    }

    @Test func bitsDependNeitherOnTheBatchNorOnThreads() throws {
        let (whole, outputs) = try network(batch: 32)
        let image = try whole.input.tensor()
        for kernels in Kernels.available {
            var options = EngineOptions()
            options.kernels = kernels
            let instance = try whole.model(outputs, options: options).makeInstance()
            func bits(_ rows: Range<Int>, _ threads: Int) throws -> [[UInt32]] {
                try instance.run(
                    [try image.rows(rows)], threadCountMax: threads, cancellation: nil
                ).map { $0.floats.map(\.bitPattern) }
            }
            let alone = try (0..<32).map { try bits($0..<$0 + 1, 1) }
            for batch in [1, 2, 7, 32] {
                for threads in [1, 2] {
                    let start = batch == 32 ? 0 : 5
                    let together = try bits(start..<start + batch, threads)
                    for output in outputs.indices {
                        let expected = alone[start..<start + batch].flatMap { $0[output] }
                        #expect(together[output] == expected, "\(kernels.name) \(batch) \(threads)")
                    }
                }
            }
        }
    }

    @Test func instructionSetsAgree() throws {
        let (network, outputs) = try network(batch: 2)
        let image = try network.input.tensor()
        let results = try Kernels.available.map { kernels in
            var options = EngineOptions()
            options.kernels = kernels
            return try network.model(outputs, options: options).makeInstance().run(
                [image], threadCountMax: 1, cancellation: nil
            ).map { $0.floats.map(\.bitPattern) }
        }
        #expect(results.allSatisfy { $0[0] == results[0][0] })
    }
}
