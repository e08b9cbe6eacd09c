import ApusCore
import ApusEngine
import ApusTestSupport
import FoundationEssentials
import Glibc

@testable import ApusONNX

/// Makes the models that the fuzz tests start from: small ones with every kind of message, and the
/// small golden models. `APUS_FUZZ_CORPUS` adds the ONNX files of a directory.
enum ModelCorpus {
    /// Larger models are no richer, but slower.
    private static let byteCountMax = 8192

    static func models() throws -> [[UInt8]] {
        var models = [small, functions, controlFlow, everyType].map(\.bytes)
        var paths = GoldenModelTests.names.map {
            ApusTestSupport.GoldenCase.folder("models/\($0)/model.onnx")
        }
        if let directory = getenv("APUS_FUZZ_CORPUS").map({ String(cString: $0) }) {
            paths += DirectoryListing.names(in: directory).map { "\(directory)/\($0)" }
        }
        for path in paths {
            let data = try Data(contentsOf: URL(filePath: path))
            if data.count < byteCountMax { models.append(Array(data)) }
        }
        return models
    }

    static func values() throws -> [[UInt8]] {
        let tensor = Value.tensor(try Tensor(.float, [2], [1, 2] as [Float]))
        let names = try Tensor(shape: [2], strings: [[97], [98]])
        let map = Value.map(keys: names, values: try Tensor(.float, [2], [1, 2] as [Float]))
        return [
            tensor, .tensor(names), .sequence([tensor, tensor], element: .tensor(.float)),
            .optional(tensor, element: .tensor(.float)), map, .sequence([map], element: map.type),
        ].map(ValueWriter.bytes)
    }

    /// Nodes of the models, those of their sub-graphs left out.
    static func nodes(of models: [[UInt8]]) -> [[UInt8]] {
        models.flatMap { WireMessage($0).contents(of: ONNXField.Model.graph) }
            .flatMap { WireMessage($0).contents(of: ONNXField.Graph.node) }
    }

    /// A model with one message changed, at any depth, and all lengths around it right again: what a
    /// blind change of bytes hardly ever makes.
    static func mutation(of model: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        changed(model, depth: Int.random(in: 1...8, using: &random), &random)
    }

    private static func changed(
        _ bytes: [UInt8], depth: Int, _ random: inout SeededRandom
    ) -> [UInt8] {
        var message = WireMessage(bytes)
        guard let index = message.fields.indices.randomElement(using: &random) else {
            return random.mutation(of: [bytes])
        }
        if depth > 0, case .bytes(let content) = message.fields[index].content {
            message.fields[index].content = .bytes(changed(content, depth: depth - 1, &random))
            return message.bytes
        }
        let places = message.fields.indices
        switch UInt8.random(in: 0..<5, using: &random) {
        case 0: message.fields.remove(at: index)
        case 1:
            message.fields.insert(message.fields[index], at: Int.random(in: places, using: &random))
        case 2: message.fields.swapAt(index, Int.random(in: places, using: &random))
        case 3: message.fields[index].number = Int.random(in: 1...26, using: &random)
        default:
            switch message.fields[index].content {
            case .bytes(let content):
                message.fields[index].content = .bytes(random.mutation(of: [content]))
            case .varint, .fixed32, .fixed64:
                let number = FuzzElements.numbers.randomElement(using: &random) ?? 0
                message.fields[index].content = .varint(number)
            }
        }
        return message.bytes
    }

    // MARK: Models

    private static var small: ProtoMessage {
        let weights = Proto.tensor("w", .float, [4], raw: [UInt8](repeating: 0, count: 16))
        return Proto.model(
            Proto.graph(
                nodes: [
                    Proto.node("Add", ["x", "w"], ["h"]),
                    Proto.node("Reshape", ["h", "s"], ["r"]),
                    Proto.node("Relu", ["r"], ["y"]),
                ],
                initializers: [weights, Proto.header("s", .int64, [2]).ints(7, [-1, 2])],
                inputs: [Proto.value("x", 1, ["4"])], outputs: [Proto.value("y", 1, ["n", "2"])]))
    }

    private static var functions: ProtoMessage {
        let body = [
            Proto.node(
                "LeakyRelu", ["a"], ["t"],
                attributes: [Proto.attribute("alpha", reference: "slope", type: 1)]),
            Proto.node("Add", ["t", "a"], ["b"]),
        ]
        let function = Proto.function(
            "F", domain: "own", inputs: ["a"], outputs: ["b"], nodes: body,
            defaults: [Proto.attribute("slope", float: 0.5)])
        return Proto.model(
            Proto.graph(
                nodes: [
                    Proto.node("F", ["x"], ["h"], domain: "own"),
                    Proto.node("F", ["h"], ["y"], domain: "own"),
                ], inputs: [Proto.value("x", 1, ["4"])], outputs: [Proto.value("y", 1, ["4"])]),
            opsets: [("", 17), ("own", 1)], functions: [function])
    }

    private static var controlFlow: ProtoMessage {
        func branch(_ type: String) -> ProtoMessage {
            Proto.graph(
                nodes: [Proto.node(type, ["x"], ["o"])], outputs: [Proto.value("o", 1, ["4"])])
        }
        let node = Proto.node(
            "If", ["c"], ["y"],
            attributes: [
                Proto.attribute("then_branch", graph: branch("Relu")),
                Proto.attribute("else_branch", graph: branch("Neg")),
            ])
        return Proto.model(
            Proto.graph(
                nodes: [node], inputs: [Proto.value("c", 9, []), Proto.value("x", 1, ["4"])],
                outputs: [Proto.value("y", 1, ["4"])]))
    }

    /// Constants of all data types, raw and typed, and a sparse one.
    private static var everyType: ProtoMessage {
        var tensors: [ProtoMessage] = []
        for type in DataType.allCases {
            let name = "t\(type.rawValue)"
            guard let width = type.byteCount else {
                tensors.append(Proto.header(name, type, [2]).text(6, "a").text(6, "b"))
                continue
            }
            let byteCount = type.packedBitCount.map { (4 * $0 + 7) / 8 } ?? 4 * width
            tensors.append(
                Proto.tensor(name, type, [2, 2], raw: [UInt8](repeating: 1, count: byteCount)))
        }
        tensors.append(Proto.header("i", .int8, [3]).ints(5, [1, 2, 3]))
        tensors.append(Proto.header("j", .int4, [3]).ints(5, [1, 2]))
        tensors.append(Proto.header("f", .float, [2]).float(4, 1).float(4, 2))
        let sparse = ProtoMessage().message(1, Proto.tensor("s", .uint8, [1], raw: [5]))
            .message(2, Proto.header("", .int64, [1]).ints(7, [1])).ints(3, [4])
        return Proto.model(
            Proto.graph(
                nodes: [Proto.node("Relu", ["f"], ["y"])], initializers: tensors,
                outputs: [Proto.value("y", 1, ["2"]), ProtoMessage().text(1, "s")], sparse: [sparse]
            ))
    }
}
