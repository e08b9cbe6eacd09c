import ApusCore
import FoundationEssentials

@testable import ApusONNX

/// Writes ONNX messages field by field, valid or not, as a hostile file would have them.
struct Message {
    private(set) var writer = MessageWriter()
    var bytes: [UInt8] { writer.bytes }

    func int(_ field: Int, _ value: Int) -> Message { with { $0.varint(field, value) } }
    func text(_ field: Int, _ value: String) -> Message { with { $0.string(field, value) } }
    func data(_ field: Int, _ value: [UInt8]) -> Message { with { $0.message(field, value) } }
    func float(_ field: Int, _ value: Float) -> Message { with { $0.float(field, value) } }
    func message(_ field: Int, _ value: Message) -> Message {
        with { $0.message(field, value.bytes) }
    }
    func messages(_ field: Int, _ values: [Message]) -> Message {
        values.reduce(self) { $0.message(field, $1) }
    }
    func texts(_ field: Int, _ values: [String]) -> Message {
        values.reduce(self) { $0.text(field, $1) }
    }
    func ints(_ field: Int, _ values: [Int]) -> Message {
        values.reduce(self) { $0.int(field, $1) }
    }

    private func with(_ change: (inout MessageWriter) -> Void) -> Message {
        var copy = self
        change(&copy.writer)
        return copy
    }
}

/// Messages of the standard, by name.
enum Proto {
    static func model(
        _ graph: Message, opsets: [(String, Int)] = [("", 17)], irVersion: Int = 8,
        functions: [Message] = []
    ) -> Message {
        Message().int(1, irVersion).message(7, graph)
            .messages(8, opsets.map { Message().text(1, $0.0).int(2, $0.1) })
            .messages(25, functions)
    }

    static func graph(
        nodes: [Message], initializers: [Message] = [], inputs: [Message] = [],
        outputs: [Message] = [], sparse: [Message] = []
    ) -> Message {
        Message().messages(1, nodes).text(2, "graph").messages(5, initializers)
            .messages(11, inputs).messages(12, outputs).messages(15, sparse)
    }

    static func node(
        _ type: String, _ inputs: [String], _ outputs: [String], domain: String = "",
        attributes: [Message] = []
    ) -> Message {
        Message().texts(1, inputs).texts(2, outputs).text(4, type).messages(5, attributes)
            .text(7, domain)
    }

    /// - Parameter dimensions: numbers are lengths, everything else names.
    static func value(_ name: String, _ type: Int, _ dimensions: [String]) -> Message {
        let shape = Message().messages(
            1,
            dimensions.map { text in
                Int(text).map { Message().int(1, $0) } ?? Message().text(2, text)
            })
        return Message().text(1, name).message(
            2, Message().message(1, Message().int(1, type).message(2, shape)))
    }

    static func tensor(_ name: String, _ type: DataType, _ shape: [Int], raw: [UInt8]) -> Message {
        header(name, type, shape).data(9, raw)
    }

    /// Name, type and shape; the data follow.
    static func header(_ name: String, _ type: DataType, _ shape: [Int]) -> Message {
        Message().ints(1, shape).int(2, Int(type.rawValue)).text(8, name)
    }

    static func external(
        _ name: String, _ type: DataType, _ shape: [Int], _ entries: [(String, String)]
    ) -> Message {
        header(name, type, shape).int(14, 1)
            .messages(13, entries.map { Message().text(1, $0.0).text(2, $0.1) })
    }

    static func function(
        _ name: String, domain: String, inputs: [String], outputs: [String], nodes: [Message],
        attributes: [String] = [], defaults: [Message] = [], opsets: [(String, Int)] = [("", 17)]
    ) -> Message {
        Message().text(1, name).texts(4, inputs).texts(5, outputs).texts(6, attributes)
            .messages(7, nodes).messages(9, opsets.map { Message().text(1, $0.0).int(2, $0.1) })
            .text(10, domain).messages(11, defaults)
    }

    static func attribute(_ name: String, float value: Float) -> Message {
        Message().text(1, name).float(2, value).int(20, 1)
    }

    static func attribute(_ name: String, ints values: [Int]) -> Message {
        Message().text(1, name).ints(8, values).int(20, 7)
    }

    static func attribute(_ name: String, strings values: [String]) -> Message {
        Message().text(1, name).texts(9, values).int(20, 8)
    }

    static func attribute(_ name: String, tensor value: Message) -> Message {
        Message().text(1, name).message(5, value).int(20, 4)
    }

    static func attribute(_ name: String, graph value: Message) -> Message {
        Message().text(1, name).message(6, value).int(20, 5)
    }

    static func attribute(_ name: String, reference: String, type: Int) -> Message {
        Message().text(1, name).text(21, reference).int(20, type)
    }

    /// `y = Relu(x)` over `[batch, 4]` floats.
    static var relu: Message {
        graph(
            nodes: [node("Relu", ["x"], ["y"])], inputs: [value("x", 1, ["batch", "4"])],
            outputs: [value("y", 1, ["batch", "4"])])
    }

    /// A model whose one output is the initialiser.
    static func holding(_ tensor: Message, name: String = "w") -> [UInt8] {
        model(
            graph(nodes: [], initializers: [tensor], outputs: [Message().text(1, name)])
        ).bytes
    }
}

/// The elements' bytes as they lie in a file.
func littleEndian<Element: BitwiseCopyable>(_ elements: [Element]) -> [UInt8] {
    elements.withUnsafeBytes { Array($0) }
}

/// A directory that is removed with the value's last use.
final class ScratchDirectory {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory
            .appending(path: "apus-onnx-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file and returns its path.
    @discardableResult
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = path + "/" + name
        try Data(bytes).write(to: URL(filePath: file))
        return file
    }
}
