import ApusCore
import ApusTestSupport
import Glibc
import Testing

@testable import ApusEngine

/// Formulas that exporters write out become one operator that computes the same.
struct RecognitionTests {
    private func model(
        _ nodes: [Node], _ constants: [String: Tensor], shape: [Int?] = [nil, 8]
    ) throws -> EngineModel {
        try EngineModel(
            .make(
                inputs: [.make("x", shape)], outputs: [.make("y", nil)], initializers: constants,
                nodes))
    }

    private func run(_ model: EngineModel, _ x: Tensor) throws -> [Float] {
        try model.makeInstance().run([x], threadCountMax: 1, cancellation: nil)[0].floats
    }

    private func scalars(_ values: [String: Float]) throws -> [String: Tensor] {
        try values.mapValues { try Tensor.floats([], [$0]) }
    }

    private let arguments: [Float] = (0..<16).map { Float($0 - 8) / 3 }

    // MARK: Gelu

    /// The orders in which exporters multiply `x / 2 * (1 + erf(x / √2))` out, `u` being the sum.
    static let orders: [[Node]] = [
        [.make("Mul", ["x", "u"], ["a"]), .make("Mul", ["a", "half"], ["y"])],
        [.make("Mul", ["half", "x"], ["a"]), .make("Mul", ["a", "u"], ["y"])],
        [.make("Mul", ["u", "half"], ["a"]), .make("Mul", ["x", "a"], ["y"])],
        [.make("Mul", ["x", "u"], ["a"]), .make("Div", ["a", "two"], ["y"])],
        [.make("Div", ["x", "two"], ["a"]), .make("Mul", ["u", "a"], ["y"])],
    ]

    @Test(arguments: orders.indices, [true, false])
    func geluIsRecognised(order: Int, divides: Bool) throws {
        let constants = try scalars([
            "half": 0.5, "two": 2, "one": 1, "root": Float(2).squareRoot(), "inverse": 0.70710677,
        ])
        let nodes: [Node] =
            [
                divides
                    ? .make("Div", ["x", "root"], ["s"]) : .make("Mul", ["inverse", "x"], ["s"]),
                .make("Erf", ["s"], ["e"]), .make("Add", ["e", "one"], ["u"]),
            ] + Self.orders[order]
        let model = try model(nodes, constants)
        #expect(model.operatorCounts == ["Gelu": 1])
        for (x, y) in zip(arguments, try run(model, .floats([2, 8], arguments))) {
            let exact = Double(x) / 2 * erfc(-Double(x) * 0.5.squareRoot())
            #expect(abs(Double(y) - exact) < 3e-7)
        }
    }

    @Test(arguments: [true, false]) func geluOfTanhIsRecognised(usesPower: Bool) throws {
        let constants = try scalars([
            "half": 0.5, "one": 1, "three": 3, "k": 0.044715, "c": 0.7978846,
        ])
        let argument: [Node] =
            usesPower
            ? [
                .make("Pow", ["x", "three"], ["p"]), .make("Mul", ["p", "k"], ["q"]),
                .make("Add", ["x", "q"], ["r"]), .make("Mul", ["r", "c"], ["s"]),
            ]
            : [
                .make("Mul", ["x", "c"], ["p"]), .make("Mul", ["x", "k"], ["q"]),
                .make("Mul", ["q", "x"], ["r"]), .make("Add", ["r", "one"], ["v"]),
                .make("Mul", ["p", "v"], ["s"]),
            ]
        let nodes: [Node] =
            argument + [
                .make("Tanh", ["s"], ["e"]), .make("Add", ["one", "e"], ["u"]),
                .make("Mul", ["x", "half"], ["a"]), .make("Mul", ["a", "u"], ["y"]),
            ]
        let model = try model(nodes, constants)
        #expect(model.operatorCounts == ["Gelu": 1])
        for (x, y) in zip(arguments, try run(model, .floats([2, 8], arguments))) {
            let wide = Double(x)
            let inner = (2 / Double.pi).squareRoot() * (wide + 0.044715 * wide * wide * wide)
            #expect(abs(Double(y) - wide / 2 * (1 + tanh(inner))) < 1e-6)
        }
    }

    @Test(arguments: ["half", "one", "root"]) func otherFormulasStay(wrong: String) throws {
        var values: [String: Float] = ["half": 0.5, "one": 1, "root": Float(2).squareRoot()]
        values[wrong]? *= 1.01
        let nodes: [Node] = [
            .make("Div", ["x", "root"], ["s"]), .make("Erf", ["s"], ["e"]),
            .make("Add", ["e", "one"], ["u"]), .make("Mul", ["x", "u"], ["a"]),
            .make("Mul", ["a", "half"], ["y"]),
        ]
        #expect(try model(nodes, try scalars(values)).operatorCounts["Erf"] == 1)
    }

    // MARK: Layer normalisation

    private func layerNodes(axes: [Int64], isSquaredByProduct: Bool = false) -> [Node] {
        let reduce: [String: Attribute] = ["axes": .ints(axes)]
        return [
            .make("ReduceMean", ["x"], ["mean"], reduce, opset: 13),
            .make("Sub", ["x", "mean"], ["d"]),
            isSquaredByProduct
                ? .make("Mul", ["d", "d"], ["q"]) : .make("Pow", ["d", "two"], ["q"]),
            .make("ReduceMean", ["q"], ["v"], reduce, opset: 13),
            .make("Add", ["v", "epsilon"], ["w"]), .make("Sqrt", ["w"], ["r"]),
            .make("Div", ["d", "r"], ["n"]),
        ]
    }

    private func constants() throws -> [String: Tensor] {
        var result = try scalars(["two": 2, "epsilon": 1e-5])
        result["scale"] = try .floats([8], (0..<8).map { Float($0) - 3 })
        result["bias"] = try .floats([8], (0..<8).map { Float($0) / 4 })
        return result
    }

    private func reference(_ x: [Float], scale: [Float]?, bias: [Float]?) -> [Double] {
        stride(from: 0, to: x.count, by: 8).flatMap { start in
            let row = x[start..<start + 8].map { Double($0) }
            let mean = row.reduce(0, +) / 8
            let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 8
            return row.enumerated().map { index, value in
                let normal = (value - mean) / (variance + 1e-5).squareRoot()
                return normal * Double(scale?[index] ?? 1) + Double(bias?[index] ?? 0)
            }
        }
    }

    @Test(arguments: [[-1], [1]] as [[Int64]], [true, false])
    func layerNormalizationIsRecognised(axes: [Int64], isSquaredByProduct: Bool) throws {
        let constants = try constants()
        let nodes =
            layerNodes(axes: axes, isSquaredByProduct: isSquaredByProduct) + [
                .make("Mul", ["n", "scale"], ["m"]), .make("Add", ["bias", "m"], ["y"]),
            ]
        let model = try model(nodes, constants)
        #expect(model.operatorCounts == ["LayerNormalization": 1])
        let expected = reference(
            arguments, scale: constants["scale"]?.floats, bias: constants["bias"]?.floats)
        for (found, value) in zip(try run(model, .floats([2, 8], arguments)), expected) {
            #expect(abs(Double(found) - value) < 1e-5)
        }
    }

    @Test func layersWithoutScaleAreRecognised() throws {
        let nodes = layerNodes(axes: [-1]) + [.make("Relu", ["n"], ["y"])]
        let model = try model(nodes, try constants())
        #expect(model.operatorCounts == ["LayerNormalization": 1, "Relu": 1])
        let expected = reference(arguments, scale: nil, bias: nil).map { max($0, 0) }
        for (found, value) in zip(try run(model, .floats([2, 8], arguments)), expected) {
            #expect(abs(Double(found) - value) < 1e-5)
        }
    }

    @Test func otherAxesStay() throws {
        let nodes = layerNodes(axes: [0]) + [.make("Relu", ["n"], ["y"])]
        #expect(try model(nodes, try constants()).operatorCounts["ReduceMean"] == 2)
    }

    // MARK: What is not needed

    @Test func identitiesGo() throws {
        let model = try model(
            [
                .make("Identity", ["x"], ["a"]),
                .make("Dropout", ["a"], ["b"]),
                .make("Transpose", ["b"], ["c"], ["perm": .ints([1, 0])]),
                .make("Transpose", ["c"], ["d"], ["perm": .ints([1, 0])]),
                .make("Cast", ["d"], ["e"], ["to": .int(11)]),
                .make("Cast", ["e"], ["f"], ["to": .int(11)]),
                .make("Cast", ["f"], ["y"], ["to": .int(1)]),
            ], [:])
        #expect(model.operatorCounts == ["Cast": 2])
        #expect(try run(model, .floats([2, 8], arguments)) == arguments)
    }

    /// In the order of a file that has the last one first, each with a reader of its own.
    @Test func chainsOfIdentitiesGo() throws {
        let links = (0..<300).reversed().map { index in
            Node.make("Identity", [index == 0 ? "x" : "i\(index - 1)"], ["i\(index)"])
        }
        let readers = (0..<300).map { Node.make("Relu", ["i\($0)"], ["r\($0)"]) }
        let sum = Node.make("Max", readers.map { $0.outputs[0] }, ["y"])
        let model = try model(links + readers + [sum], [:])
        #expect(model.operatorCounts == ["Relu": 1, "Max": 1])
        #expect(try run(model, .floats([2, 8], arguments)) == arguments.map { max($0, 0) })
    }

    @Test func transposesInARowBecomeOne() throws {
        let model = try model(
            [
                .make("Transpose", ["x"], ["a"], ["perm": .ints([1, 2, 0])]),
                .make("Transpose", ["a"], ["y"], ["perm": .ints([0, 2, 1])]),
            ], [:], shape: [2, 3, 4])
        // The last one makes an output of the graph and stays.
        #expect(model.operatorCounts == ["Transpose": 2])
        let inner = try self.model(
            [
                .make("Transpose", ["x"], ["a"], ["perm": .ints([1, 2, 0])]),
                .make("Transpose", ["a"], ["b"], ["perm": .ints([0, 2, 1])]),
                .make("Relu", ["b"], ["y"]),
            ], [:], shape: [2, 3, 4])
        #expect(inner.operatorCounts == ["Transpose": 1, "Relu": 1])
        let x = try Tensor.floats([2, 3, 4], (0..<24).map(Float.init))
        #expect(try run(inner, x) == (try run(model, x)))
    }

    @Test func equalNodesAndConstantsBecomeOne() throws {
        let constants = try scalars(["two": 2, "zwei": 2])
        let model = try model(
            [
                .make("Mul", ["x", "two"], ["a"]), .make("Mul", ["x", "zwei"], ["b"]),
                .make("Exp", ["a"], ["c"]), .make("Exp", ["b"], ["d"]),
                .make("Sub", ["c", "d"], ["e"]), .make("LeakyRelu", ["e"], ["f"]),
                .make("LeakyRelu", ["e"], ["g"], ["alpha": .float(0.5)]),
                .make("Add", ["f", "g"], ["y"]),
            ], constants)
        #expect(
            model.operatorCounts == ["Mul": 1, "Exp": 1, "Sub": 1, "LeakyRelu": 2, "Add": 1])
        #expect(try run(model, .floats([2, 8], arguments)) == [Float](repeating: 0, count: 16))
    }

    @Test func randomNumbersAreDrawnTwice() throws {
        let model = try model(
            [
                .make("RandomNormalLike", ["x"], ["a"]), .make("RandomNormalLike", ["x"], ["b"]),
                .make("Sub", ["a", "b"], ["y"]),
            ], [:])
        #expect(model.operatorCounts["RandomNormalLike"] == 2)
    }
}
