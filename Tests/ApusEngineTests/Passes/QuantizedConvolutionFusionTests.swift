import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

/// The exported form of a quantised convolution becomes one operator with the same answers.
struct QuantizedConvolutionFusionTests {
    private struct Example {
        var isPerChannel = false
        var hasRelu = false
        var groups = 1
        var outputZero: UInt8 = 0
        /// The type of the output: the integers that are neither `uint8` nor `int8` stay in floats.
        var outputType = DataType.uint8
        var biasFactor: Float = 1
        var keepsSum = false
    }

    private func graph(_ example: Example) throws -> Graph {
        var random = SeededRandom(seed: 4)
        let (channels, outputs) = (6, 12)
        let weights = (0..<outputs * channels / example.groups * 9).map { _ in
            Int8.random(in: -127...127, using: &random)
        }
        let count = example.isPerChannel ? outputs : 1
        let scales = (0..<count).map { 0.01 + Float($0) * 0.001 }
        let shape = example.isPerChannel ? [outputs] : []
        let bias = (0..<outputs).map { _ in Int32.random(in: -3000...3000, using: &random) }
        var nodes: [Node] = [
            .make("QuantizeLinear", ["x", "sx", "zx"], ["q"]),
            .make("DequantizeLinear", ["q", "sx", "zx"], ["dx"]),
            .make("DequantizeLinear", ["w", "sw"], ["dw"], ["axis": .int(0)]),
            .make("DequantizeLinear", ["b", "sb"], ["db"], ["axis": .int(0)]),
            .make(
                "Conv", ["dx", "dw", "db"], ["c"],
                ["pads": .ints([1, 1, 1, 1]), "group": .int(Int64(example.groups))]),
        ]
        if example.hasRelu { nodes.append(.make("Relu", ["c"], ["r"])) }
        nodes += [
            .make("QuantizeLinear", [example.hasRelu ? "r" : "c", "sy", "zy"], ["qy"]),
            .make("DequantizeLinear", ["qy", "sy", "zy"], ["y"]),
        ]
        let zero: Tensor =
            example.outputType == .int16
            ? try Tensor(.int16, [], [Int16(-128)])
            : try Tensor(.uint8, [], [example.outputZero])
        return .make(
            inputs: [.make("x", [2, channels, 7, 5])],
            outputs: [.make("y", nil)] + (example.keepsSum ? [.make("c", nil)] : []),
            initializers: [
                "sx": try .floats([], [0.02]), "zx": try Tensor(.uint8, [], [UInt8(113)]),
                "w": try Tensor(.int8, [outputs, channels / example.groups, 3, 3], weights),
                "sw": try .floats(shape, scales),
                "b": try Tensor(.int32, [outputs], bias),
                "sb": try .floats(shape, scales.map { $0 * 0.02 * example.biasFactor }),
                "sy": try .floats([], [0.1]), "zy": zero,
            ], nodes)
    }

    /// Differences to the graph in floats, in steps of the output.
    private func differences(_ example: Example) throws -> (steps: Set<Int>, counts: [String: Int])
    {
        var random = SeededRandom(seed: 9)
        let x = try Tensor.floats(
            [2, 6, 7, 5], (0..<420).map { _ in Float.random(in: -2...2, using: &random) })
        func answer(_ example: Example) throws -> ([Float], [String: Int]) {
            let model = try EngineModel(try graph(example))
            let result = try model.makeInstance().run(
                [x], threadCountMax: 2, cancellation: nil)[0]
            return (result.floats, model.operatorCounts)
        }
        // What reads the sum keeps the convolution in floats.
        var plain = example
        plain.keepsSum = true
        let (fused, counts) = try answer(example)
        let (expected, plainCounts) = try answer(plain)
        #expect(plainCounts["QLinearConv"] == nil)
        return (Set(zip(fused, expected).map { Int((($0 - $1) / 0.1).rounded()) }), counts)
    }

    /// Mixed precision, as for other processors: the convolution is not QLinearConv's.
    @Test(arguments: [false, true]) func widerOutputsStayInFloats(hasRelu: Bool) throws {
        let (steps, counts) = try differences(Example(hasRelu: hasRelu, outputType: .int16))
        #expect(steps.isSubset(of: [-1, 0, 1]))
        #expect(counts["QLinearConv"] == nil && counts["Conv"] == 1)
    }

    @Test func computesInIntegers() throws {
        for isPerChannel in [false, true] {
            for groups in [1, 2, 6] {
                let example = Example(
                    isPerChannel: isPerChannel, groups: groups, outputZero: 120)
                let (steps, counts) = try differences(example)
                #expect(counts["QLinearConv"] == 1 && counts["Conv"] == nil)
                #expect(steps.isSubset(of: [-1, 0, 1]))
            }
        }
    }

    @Test func reluIsTheClampAtZero() throws {
        let (steps, counts) = try differences(Example(hasRelu: true))
        #expect(counts == ["QuantizeLinear": 1, "QLinearConv": 1, "DequantizeLinear": 1])
        #expect(steps.isSubset(of: [-1, 0, 1]))
        // With another zero point the clamp is elsewhere.
        let other = try differences(Example(hasRelu: true, outputZero: 5)).counts
        #expect(other["QLinearConv"] == nil)
    }

    @Test func aBiasOfAnotherScaleStaysInFloats() throws {
        let counts = try differences(Example(biasFactor: 1.5)).counts
        #expect(counts["QLinearConv"] == nil)
    }
}
