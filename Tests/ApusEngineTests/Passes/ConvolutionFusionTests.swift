import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

/// What follows a convolution becomes a part of it, and the numbers stay what they were.
struct ConvolutionFusionTests {
    /// Compares the whole network with its nodes; returns the operators that are left.
    private func operators(
        _ network: ImageNetwork, _ output: String, tolerance: Float = 0
    ) throws -> [String: Int] {
        let expected = try network.oneByOne([output])[0]
        let result = try network.results([output])[0]
        #expect(result.shape == expected.shape)
        for (a, b) in zip(result.floats, expected.floats) {
            #expect(abs(a - b) <= tolerance * max(1, abs(b)))
        }
        return try network.model([output]).operatorCounts
    }

    @Test(
        arguments: [
            ("Relu", [:]), ("LeakyRelu", ["alpha": Attribute.float(0.25)]), ("Sigmoid", [:]),
            ("HardSwish", [:]), ("Tanh", [:]), ("Elu", [:]),
            ("HardSigmoid", ["alpha": .float(0.5)]),
        ] as [(String, [String: Attribute])])
    func anActivationIsAppliedAtTheEnd(name: String, attributes: [String: Attribute]) throws {
        var network = ImageNetwork(seed: 1, shape: [2, 3, 5, 6])
        let image = try network.convolution("x", [7, 3, 3, 3])
        let output = network.add(name, [image], attributes)
        #expect(try operators(network, output) == ["Conv": 1])
    }

    @Test func clipsBoundsAreConstantsOrAttributes() throws {
        for opset in [6, 13] {
            var network = ImageNetwork(seed: 2, shape: [1, 3, 5, 5])
            let image = try network.convolution("x", [4, 3, 1, 1])
            let output: String
            if opset < 11 {
                output = network.add("Clip", [image], ["max": .float(6)], opset: opset)
            } else {
                output = network.add("Clip", [image, "", try network.constant([], [6])])
            }
            #expect(try operators(network, output) == ["Conv": 1])
        }
    }

    @Test func gatesBecomeActivations() throws {
        var network = ImageNetwork(seed: 3, shape: [1, 3, 4, 4], isWhole: false)
        let first = try network.convolution("x", [4, 3, 1, 1])
        let swish = network.add("Mul", [first, network.add("Sigmoid", [first])])
        let second = try network.convolution(swish, [4, 4, 1, 1])
        let gate = network.add("HardSigmoid", [second], ["alpha": .float(1.0 / 6)])
        let output = network.add("Mul", [gate, second])
        #expect(try operators(network, output, tolerance: 1e-5) == ["Conv": 2])
    }

    @Test func theWholeResidualBlockIsTwoSteps() throws {
        var network = ImageNetwork(seed: 4, shape: [2, 8, 5, 5])
        let first = try network.convolution("x", [8, 8, 3, 3])
        let active = network.add("Relu", [first])
        let second = try network.convolution(active, [8, 8, 3, 3])
        let sum = network.add("Add", [second, "x"])
        let output = network.add("Relu", [sum])
        #expect(try operators(network, output) == ["Conv": 2])
    }

    @Test func ofTwoConvolutionsTheLaterOneAdds() throws {
        var network = ImageNetwork(seed: 5, shape: [1, 4, 6, 6])
        let first = try network.convolution("x", [6, 4, 3, 3], stride: 2)
        let second = try network.convolution("x", [6, 4, 1, 1], stride: 2)
        let output = network.add("Relu", [network.add("Add", [first, second])])
        #expect(try operators(network, output) == ["Conv": 2])
    }

    @Test func aResidualThatBroadcastsIsAddedAllTheSame() throws {
        for shape in [[1, 5, 1, 1], [2, 1, 6, 6], [2, 5, 1, 6]] {
            var network = ImageNetwork(seed: 6, shape: [2, 4, 6, 6])
            let image = try network.convolution("x", [5, 4, 3, 3])
            let other = network.add(
                "Abs",
                [
                    network.add(
                        "Expand",
                        [try network.constant(shape), try network.ints(shape.map { Int64($0) })])
                ])
            let output = network.add("Relu", [network.add("Add", [image, other])])
            _ = try operators(network, output)
        }
    }

    @Test func channelArithmeticGoesIntoWeightsAndBias() throws {
        for groups in [1, 2, 6] {
            var network = ImageNetwork(seed: 7, shape: [2, 6, 5, 5])
            let image = network.add(
                "Conv", ["x", try network.constant([6, 6 / groups, 3, 3])],
                ["group": .int(Int64(groups))])
            let added = network.add("Add", [image, try network.constant([6, 1, 1])])
            let scaled = network.add("Mul", [try network.constant([1, 6, 1, 1]), added])
            let output = network.add("Add", [scaled, try network.constant([1])])
            #expect(try operators(network, output) == ["Conv": 1])
        }
    }

    @Test func batchNormalizationIsFolded() throws {
        for (groups, isTwice) in [(1, false), (6, true)] {
            var network = ImageNetwork(seed: 12, shape: [2, 6, 5, 5], isWhole: false)
            var value = try network.convolution("x", [6, 6 / groups, 3, 3], groups: groups)
            for _ in 0..<(isTwice ? 2 : 1) {
                let variance = try network.constant([6], [0.25, 1, 2, 4, 0.5, 3])
                value = network.add(
                    "BatchNormalization",
                    [
                        value, try network.constant([6]), try network.constant([6]),
                        try network.constant([6]), variance,
                    ], ["epsilon": .float(1e-3)])
            }
            let output = network.add("Relu", [value])
            #expect(try operators(network, output, tolerance: 1e-5) == ["Conv": 1])
        }
    }

    @Test func normalizationInTrainingStays() throws {
        var network = ImageNetwork(seed: 13, shape: [2, 3, 5, 5])
        let image = try network.convolution("x", [4, 3, 1, 1])
        let parameters = try (0..<3).map { _ in try network.constant([4]) }
        let output = network.add(
            "BatchNormalization", [image] + parameters + [try network.constant([4], [1, 2, 3, 4])],
            ["training_mode": .int(1)])
        let counts = try network.model([output]).operatorCounts
        #expect(counts == ["Conv": 1, "BatchNormalization": 1])
    }

    @Test func aValueThatOthersReadStays() throws {
        var network = ImageNetwork(seed: 8, shape: [1, 3, 5, 5])
        let image = try network.convolution("x", [4, 3, 3, 3])
        let active = network.add("Relu", [image])
        let counts = try network.model([active, image]).operatorCounts
        #expect(counts == ["Conv": 1, "Relu": 1])
        let twice = network.add("Add", [image, image])
        #expect(try operators(network, twice) == ["Conv": 1, "Add": 1])
    }

    @Test func anAddAlongAnotherDimensionIsNoBias() throws {
        var network = ImageNetwork(seed: 9, shape: [1, 3, 4, 4])
        let image = try network.convolution("x", [4, 3, 3, 3])
        let output = network.add("Add", [image, try network.constant([4])])
        #expect(try operators(network, output) == ["Conv": 1, "Add": 1])
    }
}
