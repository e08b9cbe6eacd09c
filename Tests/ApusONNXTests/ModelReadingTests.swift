import ApusCore
import ApusEngine
import ApusTestSupport
import Testing

@testable import ApusONNX

/// What becomes of a file's graph, functions and types.
@Suite struct ModelReadingTests {
    private func read(
        _ model: ProtoMessage, _ options: ONNXModel.Options = ONNXModel.Options()
    ) throws -> ONNXModel {
        try ONNXModel.read(bytes: model.bytes, name: "test.onnx", options: options)
    }

    @Test func inputsHaveTypesShapesAndSymbols() throws {
        let graph = try read(Proto.model(Proto.relu)).graph
        #expect(
            graph.inputs == [
                GraphValue(
                    name: "x", type: .tensor(.float), shape: [-1, 4],
                    dimensionNames: ["batch", nil]
                )
            ])
        #expect(graph.nodes.map(\.opType) == ["Relu"])
        #expect(graph.nodes.first?.opsetVersion == 17)
    }

    @Test func theEngineRunsWhatWasRead() throws {
        let model = try EngineModel(read(Proto.model(Proto.relu)).graph)
        let input = try Tensor(.float, [2, 4], [-1, 2, -3, 4, 5, -6, 7, -8] as [Float])
        let output = try model.makeInstance().run([input], threadCountMax: 1, cancellation: nil)
        #expect(output.first?.elements(as: Float.self) == [0, 2, 0, 4, 5, 0, 7, 0])
        #expect(model.signature.outputs.first?.shape == [-1, 4])
    }

    @Test func anInputWithoutAShapeTakesWhatTheOperatorsTake() throws {
        let free = ProtoMessage().text(1, "x").message(
            2, ProtoMessage().message(1, ProtoMessage().int(1, 1)))
        let graph = Proto.graph(
            nodes: [Proto.node("Relu", ["x"], ["y"])], inputs: [free],
            outputs: [ProtoMessage().text(1, "y")])
        let model = try EngineModel(read(Proto.model(graph)).graph)
        #expect(model.signature.inputs.map(\.hasRank) == [false])
        #expect(!model.signature.isBatchable)
        for shape in [[], [2], [1, 2]] {
            let x = try Tensor(.float, shape, [Float](repeating: 1, count: shape.elementCount))
            let y = try model.makeInstance().run([x], threadCountMax: 1, cancellation: nil)
            #expect(y.map(\.shape) == [shape])
        }
    }

    /// Conv and Add of an image without a batch, where the file says that it has one.
    @Test func shapesThatTheFileGivesForInnerValuesAreNotBelieved() throws {
        let weights: [Float] = [1, 0, 0, 1]
        let graph = Proto.graph(
            nodes: [
                Proto.node("Conv", ["x", "w"], ["c"]), Proto.node("Reshape", ["r", "s"], ["q"]),
                Proto.node("Add", ["c", "q"], ["y"]),
            ],
            initializers: [
                Proto.tensor("w", .float, [2, 2, 1, 1], raw: littleEndian(weights)),
                Proto.tensor("s", .int64, [3], raw: littleEndian([2, 1, 3] as [Int64])),
            ],
            inputs: [Proto.value("x", 1, ["2", "2", "1", "3"]), Proto.value("r", 1, ["6"])],
            // An output, too, may be left over.
            outputs: [Proto.value("y", 7, ["5"])]
        ).messages(13, [Proto.value("q", 1, ["a", "b", "c", "d"]), Proto.value("c", 7, ["1"])])
        let model = try EngineModel(read(Proto.model(graph)).graph)
        #expect(model.signature.outputs.first?.shape == [2, 2, 1, 3])
        #expect(model.signature.outputs.first?.dataType == .float)
        let x = try Tensor(.float, [2, 2, 1, 3], (0..<12).map { Float($0) })
        let r = try Tensor(.float, [6], (0..<6).map { Float(100 * $0) })
        let y = try model.makeInstance().run([x, r], threadCountMax: 1, cancellation: nil)
        let expected: [Float] = [0, 101, 202, 303, 404, 505, 6, 107, 208, 309, 410, 511]
        #expect(y.first?.elements(as: Float.self) == expected)
    }

    @Test func anInputWithADefaultIsAConstant() throws {
        let graph = Proto.graph(
            nodes: [Proto.node("Add", ["x", "w"], ["y"])],
            initializers: [Proto.tensor("w", .uint8, [1], raw: [1])],
            inputs: [Proto.value("x", 2, ["1"]), Proto.value("w", 2, ["1"])],
            outputs: [Proto.value("y", 2, ["1"])])
        #expect(try read(Proto.model(graph)).graph.inputs.map(\.name) == ["x"])
    }

    @Test func constantNodesAreInitializers() throws {
        let constant = Proto.node(
            "Constant", [], ["w"], attributes: [Proto.attribute("value_ints", ints: [3, -4])])
        let graph = Proto.graph(nodes: [constant], outputs: [ProtoMessage().text(1, "w")])
        let read = try read(Proto.model(graph)).graph
        #expect(read.nodes.isEmpty)
        #expect(read.initializers["w"]?.elements(as: Int64.self) == [3, -4])
    }

    @Test func theOldestFilesHaveNoAttributeTypes() throws {
        let attribute = ProtoMessage().text(1, "axes").ints(8, [0])
        let graph = Proto.graph(
            nodes: [Proto.node("Squeeze", ["x"], ["y"], attributes: [attribute])],
            inputs: [Proto.value("x", 1, ["1", "2"])], outputs: [Proto.value("y", 1, ["2"])])
        let node = try #require(
            try read(Proto.model(graph, opsets: [], irVersion: 2)).graph.nodes.first)
        #expect(node.opsetVersion == 1)
        guard case .ints(let axes)? = node.attributes["axes"] else {
            Issue.record("axes are \(String(describing: node.attributes["axes"]))")
            return
        }
        #expect(axes == [0])
    }

    @Test(arguments: ["pytorch", "other"])
    func resizesOfPyTorchAreMarked(_ producer: String) throws {
        let graph = Proto.graph(
            nodes: [Proto.node("Resize", ["x", "", "s"], ["y"])],
            inputs: [Proto.value("x", 1, ["4"]), Proto.value("s", 1, ["1"])],
            outputs: [Proto.value("y", 1, ["2"])])
        let node = try #require(
            try read(Proto.model(graph).text(2, producer)).graph.nodes.first)
        let isMarked = node.attributes[Node.alignsByOutputAttribute] != nil
        #expect(isMarked == (producer == "pytorch"))
    }

    // MARK: Functions

    private var scaled: ProtoMessage {
        Proto.function(
            "Scaled", domain: "own", inputs: ["a", "b"], outputs: ["c"],
            nodes: [
                Proto.node(
                    "LeakyRelu", ["a"], ["t"],
                    attributes: [Proto.attribute("alpha", reference: "slope", type: 1)]),
                Proto.node("Sum", ["t", "b"], ["c"]),
            ], defaults: [Proto.attribute("slope", float: 0.5)])
    }

    @Test func functionsStandForTheirNodes() throws {
        let graph = Proto.graph(
            nodes: [
                Proto.node(
                    "Scaled", ["x", "x"], ["h"], domain: "own",
                    attributes: [Proto.attribute("slope", float: 2)]),
                Proto.node("Scaled", ["h"], ["y"], domain: "own"),
            ], inputs: [Proto.value("x", 1, ["1"])], outputs: [Proto.value("y", 1, ["1"])])
        let model = Proto.model(graph, opsets: [("", 17), ("own", 1)], functions: [scaled])
        let nodes = try read(model).graph.nodes
        #expect(nodes.map(\.opType) == ["LeakyRelu", "Sum", "LeakyRelu", "Sum"])
        #expect(nodes.map(\.inputs[0]) == ["x", nodes[0].outputs[0], "h", nodes[2].outputs[0]])
        #expect(nodes[1].inputs[1] == "x")
        #expect(nodes[3].inputs[1] == "")
        #expect(nodes[1].outputs == ["h"])
        #expect(Set(nodes.flatMap(\.outputs)).count == 4)
        let slopes = nodes.compactMap { node -> Float? in
            if case .float(let value)? = node.attributes["alpha"] { value } else { nil }
        }
        #expect(slopes == [2, 0.5])
    }

    @Test func aFunctionThatPassesItsInputOnNeedsANode() throws {
        let pass = Proto.function("Pass", domain: "own", inputs: ["a"], outputs: ["a"], nodes: [])
        let graph = Proto.graph(
            nodes: [Proto.node("Pass", ["x"], ["y"], domain: "own")],
            inputs: [Proto.value("x", 1, ["1"])], outputs: [Proto.value("y", 1, ["1"])])
        let node = try #require(
            try read(Proto.model(graph, functions: [pass])).graph.nodes.first)
        #expect(node.opType == "Identity")
        #expect(node.inputs == ["x"] && node.outputs == ["y"])
    }

    @Test func functionsThatCallThemselvesAreRefused() {
        let loop = Proto.function(
            "Loop", domain: "own", inputs: ["a"], outputs: ["b"],
            nodes: [Proto.node("Loop", ["a"], ["b"], domain: "own")])
        let graph = Proto.graph(
            nodes: [Proto.node("Loop", ["x"], ["y"], domain: "own")],
            inputs: [Proto.value("x", 1, ["1"])], outputs: [Proto.value("y", 1, ["1"])])
        let error = #expect(throws: ONNXError.self) {
            try read(Proto.model(graph, functions: [loop]))
        }
        #expect(error?.message.contains("nested over 64") == true)
    }

    /// Thirty functions, each calling the next one twice: 2^30 nodes out of a kilobyte.
    @Test func functionsMustNotMultiplyWithoutBound() {
        let functions = (0..<30).map { level in
            Proto.function(
                "F\(level)", domain: "own", inputs: ["a"], outputs: ["b"],
                nodes: level == 29
                    ? [Proto.node("Relu", ["a"], ["b"])]
                    : [
                        Proto.node("F\(level + 1)", ["a"], ["t"], domain: "own"),
                        Proto.node("F\(level + 1)", ["t"], ["b"], domain: "own"),
                    ])
        }
        let graph = Proto.graph(nodes: [Proto.node("F0", ["x"], ["y"], domain: "own")])
        let error = #expect(throws: ONNXError.self) {
            try read(Proto.model(graph, functions: functions))
        }
        #expect(error?.kind == .resourceExhausted)
    }

    // MARK: Sub-graphs

    /// What is kept per constant goes by name, so branches must not share one.
    @Test func branchesWithTheSameNamesAreKeptApart() throws {
        func branch(_ value: UInt8) -> ProtoMessage {
            Proto.graph(
                nodes: [Proto.node("Add", ["x", "w"], ["o"])],
                initializers: [Proto.tensor("w", .uint8, [1], raw: [value])],
                outputs: [Proto.value("o", 2, ["1"])])
        }
        let node = Proto.node(
            "If", ["c"], ["y"],
            attributes: [
                Proto.attribute("then_branch", graph: branch(1)),
                Proto.attribute("else_branch", graph: branch(2)),
            ])
        let graph = Proto.graph(
            nodes: [node], inputs: [Proto.value("c", 9, []), Proto.value("x", 2, ["1"])],
            outputs: [Proto.value("y", 2, ["1"])])
        let read = try #require(try read(Proto.model(graph)).graph.nodes.first)
        guard case .graph(let first)? = read.attributes["then_branch"],
            case .graph(let second)? = read.attributes["else_branch"]
        else {
            Issue.record("the branches are missing")
            return
        }
        for branch in [first, second] {
            #expect(branch.nodes[0].inputs[0] == "x")
            #expect(branch.initializers[branch.nodes[0].inputs[1]] != nil)
            #expect(branch.outputs.map(\.name) == branch.nodes[0].outputs)
        }
        #expect(first.nodes[0].inputs[1] != second.nodes[0].inputs[1])
        #expect(first.outputs[0].name != second.outputs[0].name)
    }

    // MARK: ZipMap

    private var zipMap: ProtoMessage {
        Proto.model(
            Proto.graph(
                nodes: [
                    Proto.node("Relu", ["x"], ["scores"]),
                    Proto.node(
                        "ZipMap", ["scores"], ["y"], domain: "ai.onnx.ml",
                        attributes: [
                            Proto.attribute("classlabels_strings", strings: ["cat", "dog"])
                        ]),
                ], inputs: [Proto.value("x", 1, ["batch", "2"])],
                outputs: [ProtoMessage().text(1, "y")]
            ), opsets: [("", 17), ("ai.onnx.ml", 1)])
    }

    @Test func aZipMapAtTheEndBecomesItsTensorAndLabels() throws {
        let model = try read(zipMap)
        #expect(model.graph.nodes.map(\.opType) == ["Relu", "Identity"])
        #expect(model.graph.outputs.map(\.type) == [.tensor(.float)])
        #expect(model.labels == ["y": ["cat", "dog"]])
    }

    @Test func aZipMapStaysWhereTheModelIsChecked() throws {
        let model = try read(zipMap, ONNXModel.Options(replacesZipMaps: false))
        #expect(model.graph.nodes.map(\.opType) == ["Relu", "ZipMap"])
        #expect(model.labels.isEmpty)
    }

    // MARK: Refusals

    @Test(arguments: [
        (ProtoMessage().int(1, 8), "no graph"),
        (ProtoMessage().message(7, Proto.relu), "no IR version"),
        (Proto.model(Proto.relu, irVersion: 99), "IR version 99"),
        (Proto.model(Proto.relu, opsets: []), "no operator set"),
        (Proto.model(Proto.relu, opsets: [("", 99)]), "opset 99"),
        (Proto.model(Proto.relu, opsets: [("", 0)]), "opset 0"),
        (Proto.model(Proto.relu, opsets: [("", 17), ("ai.onnx", 18)]), "twice"),
        (Proto.model(Proto.relu, opsets: [("other", 1)]), "does not import"),
        (
            Proto.model(
                Proto.graph(
                    nodes: [], inputs: [Proto.value("x", 1, []), Proto.value("x", 1, [])])),
            "\"x\" is there twice"
        ),
        (
            Proto.model(
                Proto.graph(
                    nodes: [],
                    initializers: Array(
                        repeating: Proto.tensor("w", .uint8, [1], raw: [1]), count: 2))),
            "\"w\" is there twice"
        ),
        (Proto.model(Proto.graph(nodes: [], inputs: [Proto.value("x", 99, [])])), "data type 99"),
        (
            Proto.model(
                Proto.graph(
                    nodes: [
                        Proto.node(
                            "Relu", ["x"], ["y"],
                            attributes: [ProtoMessage().text(1, "a").int(20, 5)])
                    ])), "no value"
        ),
        (
            Proto.model(
                Proto.graph(
                    nodes: [
                        Proto.node(
                            "Relu", ["x"], ["y"],
                            attributes: [Proto.attribute("a", reference: "b", type: 1)])
                    ])), "in none"
        ),
    ])
    func whatIsWrongIsSaid(_ model: ProtoMessage, _ reason: String) {
        let error = #expect(throws: ONNXError.self) { try read(model) }
        #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("test.onnx") == true)
    }

    @Test func cyclesAndMissingValuesAreTheEnginesToRefuse() throws {
        let cycle = Proto.graph(
            nodes: [Proto.node("Relu", ["b"], ["a"]), Proto.node("Relu", ["a"], ["b"])],
            outputs: [ProtoMessage().text(1, "b")])
        #expect(throws: EngineError.self) { try EngineModel(read(Proto.model(cycle)).graph) }
        let missing = Proto.graph(
            nodes: [Proto.node("Relu", ["b"], ["a"])], outputs: [ProtoMessage().text(1, "a")])
        #expect(throws: EngineError.self) { try EngineModel(read(Proto.model(missing)).graph) }
    }
}
