public import ApusCore
import FoundationEssentials

/// Writes protobuf messages field by field, valid or not, as a hostile file would have them. Knows
/// nothing of the code under test.
public struct ProtoMessage: Sendable {
    public private(set) var bytes: [UInt8] = []

    public init() {}

    public func int(_ field: Int, _ value: Int) -> ProtoMessage {
        with {
            $0.append(UInt64(field) << 3)
            $0.append(UInt64(bitPattern: Int64(value)))
        }
    }

    /// A nested message, string or byte sequence.
    public func data(_ field: Int, _ value: [UInt8]) -> ProtoMessage {
        with {
            $0.append(UInt64(field) << 3 | 2)
            $0.append(UInt64(value.count))
            $0.bytes += value
        }
    }

    public func float(_ field: Int, _ value: Float) -> ProtoMessage {
        with {
            $0.append(UInt64(field) << 3 | 5)
            $0.bytes += littleEndian([value])
        }
    }

    public func text(_ field: Int, _ value: String) -> ProtoMessage {
        data(field, Array(value.utf8))
    }
    public func message(_ field: Int, _ value: ProtoMessage) -> ProtoMessage {
        data(field, value.bytes)
    }
    public func messages(_ field: Int, _ values: [ProtoMessage]) -> ProtoMessage {
        values.reduce(self) { $0.message(field, $1) }
    }
    public func texts(_ field: Int, _ values: [String]) -> ProtoMessage {
        values.reduce(self) { $0.text(field, $1) }
    }
    public func ints(_ field: Int, _ values: [Int]) -> ProtoMessage {
        values.reduce(self) { $0.int(field, $1) }
    }

    private func with(_ change: (inout ProtoMessage) -> Void) -> ProtoMessage {
        var copy = self
        change(&copy)
        return copy
    }

    private mutating func append(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}

/// ONNX messages, by name; field numbers are those of the standard.
public enum Proto {
    public static func model(
        _ graph: ProtoMessage, opsets: [(String, Int)] = [("", 17)], irVersion: Int = 8,
        functions: [ProtoMessage] = []
    ) -> ProtoMessage {
        ProtoMessage().int(1, irVersion).message(7, graph)
            .messages(8, opsets.map { ProtoMessage().text(1, $0.0).int(2, $0.1) })
            .messages(25, functions)
    }

    public static func graph(
        nodes: [ProtoMessage], initializers: [ProtoMessage] = [], inputs: [ProtoMessage] = [],
        outputs: [ProtoMessage] = [], sparse: [ProtoMessage] = []
    ) -> ProtoMessage {
        ProtoMessage().messages(1, nodes).text(2, "graph").messages(5, initializers)
            .messages(11, inputs).messages(12, outputs).messages(15, sparse)
    }

    public static func node(
        _ type: String, _ inputs: [String], _ outputs: [String], domain: String = "",
        attributes: [ProtoMessage] = []
    ) -> ProtoMessage {
        ProtoMessage().texts(1, inputs).texts(2, outputs).text(4, type).messages(5, attributes)
            .text(7, domain)
    }

    /// - Parameter dimensions: numbers are lengths, everything else names.
    public static func value(_ name: String, _ type: Int, _ dimensions: [String]) -> ProtoMessage {
        let shape = ProtoMessage().messages(
            1,
            dimensions.map { text in
                Int(text).map { ProtoMessage().int(1, $0) } ?? ProtoMessage().text(2, text)
            })
        return ProtoMessage().text(1, name).message(
            2, ProtoMessage().message(1, ProtoMessage().int(1, type).message(2, shape)))
    }

    public static func tensor(_ name: String, _ type: DataType, _ shape: [Int], raw: [UInt8])
        -> ProtoMessage
    {
        header(name, type, shape).data(9, raw)
    }

    /// Name, type and shape; the data follow.
    public static func header(_ name: String, _ type: DataType, _ shape: [Int]) -> ProtoMessage {
        ProtoMessage().ints(1, shape).int(2, Int(type.rawValue)).text(8, name)
    }

    public static func external(
        _ name: String, _ type: DataType, _ shape: [Int], _ entries: [(String, String)]
    ) -> ProtoMessage {
        header(name, type, shape).int(14, 1)
            .messages(13, entries.map { ProtoMessage().text(1, $0.0).text(2, $0.1) })
    }

    public static func function(
        _ name: String, domain: String, inputs: [String], outputs: [String], nodes: [ProtoMessage],
        attributes: [String] = [], defaults: [ProtoMessage] = [],
        opsets: [(String, Int)] = [("", 17)]
    ) -> ProtoMessage {
        ProtoMessage().text(1, name).texts(4, inputs).texts(5, outputs).texts(6, attributes)
            .messages(7, nodes).messages(
                9, opsets.map { ProtoMessage().text(1, $0.0).int(2, $0.1) }
            )
            .text(10, domain).messages(11, defaults)
    }

    public static func attribute(_ name: String, float value: Float) -> ProtoMessage {
        ProtoMessage().text(1, name).float(2, value).int(20, 1)
    }

    public static func attribute(_ name: String, ints values: [Int]) -> ProtoMessage {
        ProtoMessage().text(1, name).ints(8, values).int(20, 7)
    }

    public static func attribute(_ name: String, strings values: [String]) -> ProtoMessage {
        ProtoMessage().text(1, name).texts(9, values).int(20, 8)
    }

    public static func attribute(_ name: String, tensor value: ProtoMessage) -> ProtoMessage {
        ProtoMessage().text(1, name).message(5, value).int(20, 4)
    }

    public static func attribute(_ name: String, graph value: ProtoMessage) -> ProtoMessage {
        ProtoMessage().text(1, name).message(6, value).int(20, 5)
    }

    public static func attribute(_ name: String, reference: String, type: Int) -> ProtoMessage {
        ProtoMessage().text(1, name).text(21, reference).int(20, type)
    }

    /// `y = Relu(x)` over `[batch, 4]` floats.
    public static var relu: ProtoMessage {
        graph(
            nodes: [node("Relu", ["x"], ["y"])], inputs: [value("x", 1, ["batch", "4"])],
            outputs: [value("y", 1, ["batch", "4"])])
    }

    /// A model whose one output is the initialiser.
    public static func holding(_ tensor: ProtoMessage, name: String = "w") -> [UInt8] {
        model(
            graph(nodes: [], initializers: [tensor], outputs: [ProtoMessage().text(1, name)])
        ).bytes
    }
}

/// The elements' bytes as they lie in a file.
public func littleEndian<Element: BitwiseCopyable>(_ elements: [Element]) -> [UInt8] {
    elements.withUnsafeBytes { Array($0) }
}

/// A directory that is removed with the value's last use.
public final class ScratchDirectory {
    public let path: String

    public init() throws {
        let url = FileManager.default.temporaryDirectory
            .appending(path: "apus-onnx-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file, and the directories it is in, and returns its path.
    @discardableResult
    public func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = path + "/" + name
        let url = URL(filePath: file)
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: url)
        return file
    }
}
