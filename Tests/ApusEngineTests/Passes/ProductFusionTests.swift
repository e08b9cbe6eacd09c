import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

/// What follows a product becomes a part of it, and the numbers stay what they were.
struct ProductFusionTests {
    /// Compares the whole network with its nodes; returns the operators that are left.
    private func operators(
        _ network: ImageNetwork, _ output: String, tolerance: Float = 1e-5
    ) throws -> [String: Int] {
        let expected = try network.oneByOne([output])[0]
        for threads in [1, 2] {
            let result = try network.results([output], threadCount: threads)[0]
            #expect(result.shape == expected.shape)
            for (a, b) in zip(result.floats, expected.floats) {
                #expect(abs(a - b) <= tolerance * max(1, abs(b)))
            }
        }
        return try network.model([output]).operatorCounts
    }

    private func network(_ seed: Int) -> ImageNetwork {
        ImageNetwork(seed: seed, shape: [3, 5, 24], isWhole: false)
    }

    @Test(
        arguments: [
            ("Relu", [:]), ("LeakyRelu", ["alpha": Attribute.float(0.25)]), ("Sigmoid", [:]),
            ("Tanh", [:]), ("Gelu", [:]), ("Gelu", ["approximate": .string(Array("tanh".utf8))]),
            ("HardSwish", [:]), ("Elu", [:]),
        ] as [(String, [String: Attribute])])
    func biasResidualAndActivationAreOneStep(
        name: String, attributes: [String: Attribute]
    ) throws {
        var network = network(1)
        let product = network.add("MatMul", ["x", try network.constant([24, 17])])
        let biased = network.add("Add", [try network.constant([17]), product])
        let other = network.add("MatMul", ["x", try network.constant([24, 17])])
        let sum = network.add("Add", [other, biased])
        let output = network.add(name, [sum], attributes)
        #expect(try operators(network, output) == ["MatMul": 2])
        #expect(try network.plan([output]).steps.count == 2)
    }

    @Test func aGeluThatTheExporterSpeltOutIsApplied() throws {
        var network = network(6)
        let product = network.add("MatMul", ["x", try network.constant([24, 17])])
        let x = network.add("Add", [product, try network.constant([17])])
        let curve = network.add(
            "Erf", [network.add("Div", [x, try network.constant([], [1.4142135])])])
        let sum = network.add("Add", [curve, try network.constant([], [1])])
        let output = network.add(
            "Mul", [network.add("Mul", [x, sum]), try network.constant([], [0.5])])
        #expect(try operators(network, output) == ["MatMul": 1])
        #expect(try network.plan([output]).steps.count == 1)
    }

    @Test func aGemmTakesItsActivation() throws {
        var network = ImageNetwork(seed: 2, shape: [7, 24], isWhole: false)
        let hidden = network.add(
            "Relu",
            [
                network.add(
                    "Gemm", ["x", try network.constant([33, 24]), try network.constant([33])],
                    ["transB": .int(1)])
            ])
        let output = network.add(
            "Sigmoid", [network.add("Gemm", [hidden, try network.constant([33, 2])])])
        #expect(try operators(network, output) == ["MatMul": 2])
        #expect(try network.plan([output]).steps.count == 2)
    }

    @Test func aGemmThatDoesMoreStaysAlone() throws {
        var network = ImageNetwork(seed: 3, shape: [7, 24], isWhole: false)
        let scaled = network.add(
            "Gemm", ["x", try network.constant([24, 5]), try network.constant([5])],
            ["alpha": .float(0.5)])
        let first = network.add("Relu", [scaled])
        let full = network.add(
            "Gemm", ["x", try network.constant([24, 5]), try network.constant([7, 5])])
        let output = network.add("Add", [first, network.add("Relu", [full])])
        #expect(try operators(network, output) == ["Gemm": 2, "Relu": 2, "Add": 1])
    }

    @Test func aSmallerOrLargerResidualIsAddedAfterwards() throws {
        for shape in [[1, 17], [2, 3, 5, 17], [5, 1], [3, 1, 1]] as [Shape] {
            var network = network(4)
            let product = network.add("MatMul", ["x", try network.constant([24, 17])])
            let other = network.add("Abs", [try network.constant(shape)])
            let output = network.add("Relu", [network.add("Add", [product, other])])
            #expect(try operators(network, output)["MatMul"] == 1)
            #expect(try operators(network, output)["Relu"] == nil)
        }
    }

    @Test func aProductThatOthersReadStaysAsItIs() throws {
        var network = network(5)
        let product = network.add("MatMul", ["x", try network.constant([24, 8])])
        let active = network.add("Relu", [product])
        let output = network.add("Mul", [active, product])
        #expect(try operators(network, output) == ["MatMul": 1, "Relu": 1, "Mul": 1])
    }

    @Test func aFusedRowsBitsDoNotDependOnTheBatch() throws {
        var network = network(8)
        let product = network.add("MatMul", ["x", try network.constant([24, 50])])
        let biased = network.add("Add", [product, try network.constant([50])])
        let active = network.add("Gelu", [biased])
        let output = network.add(
            "Add", [network.add("MatMul", [active, try network.constant([50, 24])]), "x"])
        let instance = try network.model([output]).makeInstance()
        let input = try network.input.tensor()
        let whole = try instance.run([input], threadCountMax: 2, cancellation: nil)[0]
        var alone: [UInt32] = []
        for row in 0..<3 {
            let part = try instance.run(
                [try input.rows(row..<row + 1)], threadCountMax: 1, cancellation: nil)[0]
            alone += part.floats.map(\.bitPattern)
        }
        #expect(alone == whole.floats.map(\.bitPattern))
    }
}
