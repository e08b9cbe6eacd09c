import ApusCore
import ApusEngine
import ApusTestSupport
import FoundationEssentials

@testable import ApusONNX

/// Makes the models that the fuzz tests start from: small ones with every kind of message, and the
/// small golden models.
enum ModelCorpus {
    static func models() throws -> [[UInt8]] {
        var models = [small, functions, controlFlow, everyType].map(\.bytes)
        for name in GoldenModelTests.names {
            let path = ApusTestSupport.GoldenCase.folder("models/\(name)/model.onnx")
            let data = try Data(contentsOf: URL(filePath: path))
            if data.count < 4096 { models.append(Array(data)) }
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

    /// A model with one message changed, at any depth, and all lengths around it right again: what a
    /// blind change of bytes hardly ever makes.
    static func mutation(of corpus: [[UInt8]], _ random: inout SeededRandom) -> [UInt8] {
        guard let model = corpus.randomElement(using: &random) else { return [] }
        return changed(model, depth: Int.random(in: 1...8, using: &random), &random)
    }

    private static func changed(
        _ message: [UInt8], depth: Int, _ random: inout SeededRandom
    ) -> [UInt8] {
        var fields = split(message)
        guard !fields.isEmpty else { return random.mutation(of: [message]) }
        let index = Int.random(in: fields.indices, using: &random)
        if depth > 0, let content = fields[index].content {
            fields[index].content = changed(content, depth: depth - 1, &random)
        } else {
            switch UInt8.random(in: 0..<5, using: &random) {
            case 0: fields.remove(at: index)
            case 1: fields.insert(fields[index], at: Int.random(in: fields.indices, using: &random))
            case 2: fields.swapAt(index, Int.random(in: fields.indices, using: &random))
            case 3: fields[index].number = Int.random(in: 1...26, using: &random)
            default:
                if let content = fields[index].content {
                    fields[index].content = random.mutation(of: [content])
                } else {
                    let numbers = [
                        0, 1, 2, 7, -1, 64, 1 << 31, 1 << 62, Int.max, Int.min,
                        Int.random(in: 0...30, using: &random),
                    ]
                    fields[index].value = numbers.randomElement(using: &random) ?? 0
                }
            }
        }
        var writer = MessageWriter()
        for field in fields {
            if let content = field.content {
                writer.message(field.number, content)
            } else if let float = field.float {
                writer.float(field.number, float)
            } else {
                writer.varint(field.number, field.value)
            }
        }
        return writer.bytes
    }

    private struct Field {
        var number: Int
        var content: [UInt8]?
        var float: Float?
        var value = 0
    }

    private static func split(_ message: [UInt8]) -> [Field] {
        var reader = WireReader(FileBytes(message, name: "message"), 0..<message.count)
        var fields: [Field] = []
        while let field = try? reader.next() {
            var result = Field(number: Int(field.number))
            switch field.content {
            case .bytes(let range): result.content = Array(message[range])
            case .varint(let value): result.value = Int(truncatingIfNeeded: value)
            case .fixed32(let bits): result.float = Float(bitPattern: bits)
            case .fixed64: continue
            }
            fields.append(result)
        }
        return fields
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
