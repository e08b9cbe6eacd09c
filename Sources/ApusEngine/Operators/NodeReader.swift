public import ApusCore

/// A node's attributes, read with their defaults. Errors name the node and the attribute.
public struct NodeReader: Sendable {
    public let node: Node
    /// How many graphs the node's graph lies in.
    let depth: Int

    public init(_ node: Node, depth: Int = 0) {
        self.node = node
        self.depth = depth
    }

    public var opsetVersion: Int { node.opsetVersion }
    public var inputCount: Int { node.inputs.count }
    public var outputCount: Int { node.outputs.count }
    /// Whether the node names this input.
    public func hasInput(_ index: Int) -> Bool {
        index < node.inputs.count && !node.inputs[index].isEmpty
    }
    /// Whether the node names this output.
    public func hasOutput(_ index: Int) -> Bool {
        index < node.outputs.count && !node.outputs[index].isEmpty
    }
    public func has(_ name: String) -> Bool { node.attributes[name] != nil }

    public func int(_ name: String) throws(EngineError) -> Int? {
        switch node.attributes[name] {
        case nil: return nil
        case .int(let value): return Int(value)
        default: throw wrongKind(name, "an integer")
        }
    }

    public func int(_ name: String, default value: Int) throws(EngineError) -> Int {
        try int(name) ?? value
    }

    /// An integer attribute that means yes (not 0) or no (0).
    public func flag(_ name: String, default value: Bool = false) throws(EngineError) -> Bool {
        try int(name).map { $0 != 0 } ?? value
    }

    public func ints(_ name: String) throws(EngineError) -> [Int]? {
        switch node.attributes[name] {
        case nil: return nil
        case .ints(let values): return values.map { Int($0) }
        case .floats(let values) where values.isEmpty: return []
        default: throw wrongKind(name, "a list of integers")
        }
    }

    public func float(_ name: String) throws(EngineError) -> Float? {
        switch node.attributes[name] {
        case nil: return nil
        case .float(let value): return value
        default: throw wrongKind(name, "a float")
        }
    }

    public func float(_ name: String, default value: Float) throws(EngineError) -> Float {
        try float(name) ?? value
    }

    public func floats(_ name: String) throws(EngineError) -> [Float]? {
        switch node.attributes[name] {
        case nil: return nil
        case .floats(let values): return values
        case .ints(let values) where values.isEmpty: return []
        default: throw wrongKind(name, "a list of floats")
        }
    }

    /// A string attribute as bytes.
    public func bytes(_ name: String) throws(EngineError) -> [UInt8]? {
        switch node.attributes[name] {
        case nil: return nil
        case .string(let value): return value
        default: throw wrongKind(name, "a string")
        }
    }

    /// A string attribute that is a keyword.
    public func string(_ name: String) throws(EngineError) -> String? {
        try bytes(name).map { String(decoding: $0, as: UTF8.self) }
    }

    public func string(_ name: String, default value: String) throws(EngineError) -> String {
        try string(name) ?? value
    }

    public func strings(_ name: String) throws(EngineError) -> [[UInt8]]? {
        switch node.attributes[name] {
        case nil: return nil
        case .strings(let values): return values
        case .ints(let values) where values.isEmpty: return []
        case .floats(let values) where values.isEmpty: return []
        default: throw wrongKind(name, "a list of strings")
        }
    }

    public func tensor(_ name: String) throws(EngineError) -> Tensor? {
        switch node.attributes[name] {
        case nil: return nil
        case .tensor(let value): return value
        default: throw wrongKind(name, "a tensor")
        }
    }

    public func graph(_ name: String) throws(EngineError) -> Graph {
        guard case .graph(let graph) = node.attributes[name] else {
            throw wrongKind(name, "a graph")
        }
        return graph
    }

    /// A sub-graph, bound to its operators.
    func body(_ name: String) throws(EngineError) -> Program {
        try Program(graph(name), depth: depth + 1)
    }

    public func type(_ name: String) throws(EngineError) -> ValueType? {
        switch node.attributes[name] {
        case nil: return nil
        case .type(let value): return value
        default: throw wrongKind(name, "a type")
        }
    }

    /// A data type given by its ONNX number.
    public func dataType(_ name: String) throws(EngineError) -> DataType? {
        guard let number = try int(name), number != 0 else { return nil }
        guard let raw = Int32(exactly: number), let type = DataType(rawValue: raw) else {
            throw fail("attribute \"\(name)\" is \(number), which is no data type")
        }
        return type
    }

    /// An error that names the node.
    public func fail(_ reason: String) -> EngineError {
        .invalidNode(node: node.label, reason: reason)
    }

    private func wrongKind(_ name: String, _ expected: String) -> EngineError {
        fail("attribute \"\(name)\" is missing or not \(expected)")
    }
}
