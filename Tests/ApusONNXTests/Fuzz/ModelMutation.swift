import ApusCore
import ApusTestSupport

@testable import ApusEngine

/// Changes of what a model says, in a form that stays right: another attribute, type, shape, value or
/// edge. What no blind change of bytes makes.
struct ModelMutation {
    var random: SeededRandom
    /// Nodes of all models of the corpus, to be put into others.
    let nodes: [[UInt8]]

    mutating func mutate(_ model: [UInt8]) -> [UInt8] {
        var message = WireMessage(model)
        if oneIn(12) {
            let version = Int.random(in: 1...26, using: &random)
            message.changeAny(ONNXField.Model.opset, &random) { opset, _ in
                opset.set(2, .varint(version))
            }
        }
        // Nodes that are put in need the operator sets that they are from.
        for domain in Set(OperatorTable.rows.map(\.domain)).sorted() where oneIn(2) {
            let isThere = message.contents(of: ONNXField.Model.opset).contains {
                (WireMessage($0).contents(of: 1).first ?? []) == Array(domain.utf8)
            }
            if isThere { continue }
            var opset = WireMessage()
            opset.append(1, .bytes(Array(domain.utf8)))
            opset.append(2, .varint(Int.random(in: 1...5, using: &random)))
            message.append(ONNXField.Model.opset, .bytes(opset.bytes))
        }
        change(&message, ONNXField.Model.graph) { mutation, graph in
            for _ in 0..<Int.random(in: 1...3, using: &mutation.random) {
                mutation.changeGraph(&graph)
            }
        }
        return message.bytes
    }

    private mutating func oneIn(_ count: Int) -> Bool {
        Int.random(in: 0..<count, using: &random) == 0
    }

    /// Like `WireMessage.changeAny`, with the mutation's own random numbers.
    @discardableResult
    private mutating func change(
        _ message: inout WireMessage, _ number: Int,
        _ body: (inout ModelMutation, inout WireMessage) -> Void
    ) -> Bool {
        var copy = self
        defer { random = copy.random }
        return message.changeAny(number, &random) { part, chosen in
            copy.random = chosen
            body(&copy, &part)
            chosen = copy.random
        }
    }

    private mutating func number() -> Int {
        oneIn(2)
            ? Int.random(in: -4...9, using: &random)
            : FuzzElements.numbers.randomElement(using: &random) ?? 0
    }

    // MARK: Graphs

    private mutating func changeGraph(_ graph: inout WireMessage) {
        switch Int.random(in: 0..<18, using: &random) {
        case 0...3: change(&graph, ONNXField.Graph.node) { $0.changeAttributes(of: &$1) }
        case 4...5: change(&graph, ONNXField.Graph.node) { $0.changeInputs(of: &$1) }
        case 6: change(&graph, ONNXField.Graph.node) { $0.changeType(of: &$1) }
        case 7: changeNodes(&graph)
        case 8: insertForeignNode(&graph)
        case 9: change(&graph, ONNXField.Graph.initializer) { $0.changeShape(of: &$1) }
        case 10: change(&graph, ONNXField.Graph.initializer) { $0.refill(&$1, anyType: true) }
        case 11...12: change(&graph, ONNXField.Graph.initializer) { $0.refill(&$1) }
        case 13...14: fixInput(&graph)
        case 15: changeValue(&graph) { $0.changeElementType(of: &$1) }
        case 16: changeValue(&graph) { $0.changeDimensions(of: &$1) }
        default: change(&graph, ONNXField.Graph.node) { $0.changeBody(of: &$1) }
        }
    }

    private mutating func changeNodes(_ graph: inout WireMessage) {
        let places = graph.indices(of: ONNXField.Graph.node)
        guard let first = places.randomElement(using: &random),
            let second = places.randomElement(using: &random)
        else { return }
        if oneIn(2) { graph.fields.remove(at: first) } else { graph.fields.swapAt(first, second) }
    }

    private func names(in graph: WireMessage) -> [[UInt8]] {
        let inputs = graph.contents(of: ONNXField.Graph.input)
            .flatMap { WireMessage($0).contents(of: ONNXField.Value.name) }
        let constants = graph.contents(of: ONNXField.Graph.initializer)
            .flatMap { WireMessage($0).contents(of: ONNXField.Tensor.name) }
        let made = graph.contents(of: ONNXField.Graph.node)
            .flatMap { WireMessage($0).contents(of: ONNXField.Node.output) }
        return inputs + constants + made
    }

    /// A node of another model reads values of this one, and takes the place of what an output was.
    private mutating func insertForeignNode(_ graph: inout WireMessage) {
        let known = names(in: graph)
        guard let bytes = nodes.randomElement(using: &random), !known.isEmpty else { return }
        var node = WireMessage(bytes)
        for index in node.indices(of: ONNXField.Node.input) {
            node.fields[index].content = .bytes(known.randomElement(using: &random) ?? [])
        }
        for (number, index) in node.indices(of: ONNXField.Node.output).enumerated() {
            node.fields[index].content = .bytes(Array("foreign\(number)".utf8))
        }
        graph.append(ONNXField.Graph.node, .bytes(node.bytes))
        graph.changeAny(ONNXField.Graph.output, &random) { output, _ in
            output = WireMessage()
            output.append(ONNXField.Value.name, .bytes(Array("foreign0".utf8)))
        }
    }

    /// An input becomes a constant, so that nodes see its content early.
    private mutating func fixInput(_ graph: inout WireMessage) {
        let places = graph.indices(of: ONNXField.Graph.input)
        guard let place = places.randomElement(using: &random),
            case .bytes(let bytes) = graph.fields[place].content
        else { return }
        let value = WireMessage(bytes)
        guard let type = value.contents(of: ONNXField.Value.type).first,
            let tensorType = WireMessage(type).contents(of: ONNXField.ValueType.tensor).first,
            let name = value.contents(of: ONNXField.Value.name).first
        else { return }
        let shape = WireMessage(tensorType).contents(of: ONNXField.TensorType.shape).first ?? []
        var tensor = WireMessage()
        for dimension in WireMessage(shape).contents(of: 1) {
            let length = WireMessage(dimension).numbers(of: ONNXField.Dimension.length).first
            tensor.append(
                ONNXField.Tensor.dimensions,
                .varint(length ?? Int.random(in: 0...4, using: &random)))
        }
        let element = WireMessage(tensorType).numbers(of: ONNXField.TensorType.elementType).first
        tensor.set(ONNXField.Tensor.dataType, .varint(element ?? 1))
        tensor.set(ONNXField.Tensor.name, .bytes(name))
        refill(&tensor)
        graph.fields.remove(at: place)
        graph.append(ONNXField.Graph.initializer, .bytes(tensor.bytes))
    }

    // MARK: Nodes

    private mutating func changeType(of node: inout WireMessage) {
        guard let row = OperatorTable.rows.randomElement(using: &random) else { return }
        node.set(ONNXField.Node.opType, .bytes(Array(row.name.utf8)))
        node.set(ONNXField.Node.domain, .bytes(Array(row.domain.utf8)))
    }

    private mutating func changeInputs(of node: inout WireMessage) {
        let places = node.indices(of: ONNXField.Node.input)
        guard let first = places.randomElement(using: &random),
            let second = places.randomElement(using: &random)
        else { return }
        switch Int.random(in: 0..<4, using: &random) {
        case 0: node.fields.swapAt(first, second)
        case 1: node.fields[first].content = node.fields[second].content
        case 2: node.fields[first].content = .bytes([])
        default: node.fields.remove(at: first)
        }
    }

    private mutating func changeBody(of node: inout WireMessage) {
        let hasBody = change(&node, ONNXField.Node.attribute) { mutation, attribute in
            mutation.change(&attribute, ONNXField.Attribute.graph) { $0.changeGraph(&$1) }
        }
        if !hasBody { changeAttributes(of: &node) }
    }

    private mutating func changeAttributes(of node: inout WireMessage) {
        switch Int.random(in: 0..<8, using: &random) {
        case 0:
            let places = node.indices(of: ONNXField.Node.attribute)
            if let place = places.randomElement(using: &random) { node.fields.remove(at: place) }
        case 1...2: borrowAttribute(&node)
        default:
            let isThere = change(&node, ONNXField.Node.attribute) { $0.changeAttribute(&$1) }
            if !isThere { borrowAttribute(&node) }
        }
    }

    /// An attribute of another node of the same type, or of any.
    private mutating func borrowAttribute(_ node: inout WireMessage) {
        let type = node.contents(of: ONNXField.Node.opType).first
        for _ in 0..<64 {
            guard let bytes = nodes.randomElement(using: &random) else { return }
            let other = WireMessage(bytes)
            guard other.contents(of: ONNXField.Node.opType).first == type || oneIn(32) else {
                continue
            }
            guard
                let attribute = other.contents(of: ONNXField.Node.attribute)
                    .randomElement(using: &random)
            else { continue }
            var changed = WireMessage(attribute)
            if oneIn(2) { changeAttribute(&changed) }
            let name = changed.contents(of: ONNXField.Attribute.name).first
            node.fields.removeAll { field in
                guard field.number == ONNXField.Node.attribute,
                    case .bytes(let bytes) = field.content
                else { return false }
                return WireMessage(bytes).contents(of: ONNXField.Attribute.name).first == name
            }
            return node.append(ONNXField.Node.attribute, .bytes(changed.bytes))
        }
    }

    private mutating func changeAttribute(_ attribute: inout WireMessage) {
        typealias Field = ONNXField.Attribute
        let values = [
            Field.float, Field.int, Field.text, Field.tensor, Field.graph, Field.floats,
            Field.ints, Field.texts,
        ]
        let places = attribute.fields.indices.filter {
            values.contains(attribute.fields[$0].number)
        }
        guard let place = places.randomElement(using: &random) else { return }
        let number = attribute.fields[place].number
        if number > Field.graph, oneIn(4) {
            if oneIn(2) {
                attribute.fields.insert(attribute.fields[place], at: place)
            } else {
                attribute.fields.remove(at: place)
            }
            return
        }
        switch attribute.fields[place].content {
        case .varint: attribute.fields[place].content = .varint(self.number())
        case .fixed32:
            let value = Float(FuzzElements.floats.randomElement(using: &random) ?? 0)
            attribute.fields[place].content = .fixed32(value.bitPattern)
        case .fixed64: break
        case .bytes(let bytes):
            if number == Field.tensor {
                var tensor = WireMessage(bytes)
                oneIn(3) ? changeShape(of: &tensor) : refill(&tensor)
                attribute.fields[place].content = .bytes(tensor.bytes)
            } else if number == Field.graph {
                var graph = WireMessage(bytes)
                changeGraph(&graph)
                attribute.fields[place].content = .bytes(graph.bytes)
            } else {
                attribute.fields[place].content = .bytes(random.mutation(of: [bytes]))
            }
        }
    }

    // MARK: Types, shapes, elements

    private mutating func changeValue(
        _ graph: inout WireMessage, _ body: (inout ModelMutation, inout WireMessage) -> Void
    ) {
        let kind = oneIn(4) ? ONNXField.Graph.output : ONNXField.Graph.input
        change(&graph, kind) { mutation, value in
            mutation.change(&value, ONNXField.Value.type) { mutation, type in
                mutation.change(&type, ONNXField.ValueType.tensor, body)
            }
        }
    }

    private mutating func changeElementType(of type: inout WireMessage) {
        type.set(
            ONNXField.TensorType.elementType, .varint(Int.random(in: 1...26, using: &random)))
    }

    private mutating func changeDimensions(of type: inout WireMessage) {
        if oneIn(6) { return type.remove(ONNXField.TensorType.shape) }
        change(&type, ONNXField.TensorType.shape) { mutation, shape in
            let places = shape.fields.indices
            switch Int.random(in: 0..<5, using: &mutation.random) {
            case 0:
                if let place = places.randomElement(using: &mutation.random) {
                    shape.fields.remove(at: place)
                }
            case 1: shape.append(1, .bytes([]))
            case 2: mutation.change(&shape, 1) { $1 = WireMessage() }
            default:
                mutation.change(&shape, 1) { mutation, dimension in
                    let length =
                        mutation.oneIn(4)
                        ? mutation.number() : Int.random(in: 0...5, using: &mutation.random)
                    dimension = WireMessage()
                    dimension.set(ONNXField.Dimension.length, .varint(length))
                }
            }
        }
    }

    /// Other dimensions; the elements mostly follow.
    private mutating func changeShape(of tensor: inout WireMessage) {
        var shape = tensor.numbers(of: ONNXField.Tensor.dimensions)
        switch Int.random(in: 0..<4, using: &random) {
        case 0 where !shape.isEmpty: shape.removeLast()
        case 1: shape.insert(Int.random(in: 0...3, using: &random), at: 0)
        default:
            if let place = shape.indices.randomElement(using: &random) {
                shape[place] = oneIn(3) ? number() : Int.random(in: 0...5, using: &random)
            }
        }
        tensor.remove(ONNXField.Tensor.dimensions)
        for length in shape { tensor.append(ONNXField.Tensor.dimensions, .varint(length)) }
        if !oneIn(8) { refill(&tensor) }
    }

    /// Other elements of the same, or any, type.
    private mutating func refill(_ tensor: inout WireMessage, anyType: Bool = false) {
        if anyType {
            tensor.set(
                ONNXField.Tensor.dataType, .varint(Int.random(in: 1...26, using: &random)))
        }
        let number = tensor.numbers(of: ONNXField.Tensor.dataType).first ?? 1
        guard let type = DataType(rawValue: Int32(clamping: number)),
            let count = tensor.numbers(of: ONNXField.Tensor.dimensions).checkedElementCount,
            count <= 1 << 12
        else { return }
        for field in ONNXField.Tensor.elements { tensor.remove(field) }
        guard type != .string else {
            for _ in 0..<count {
                let text = ["", "a", "b c", "-1"].randomElement(using: &random) ?? ""
                tensor.append(ONNXField.Tensor.strings, .bytes(Array(text.utf8)))
            }
            return
        }
        let elements = FuzzElements.allCases.randomElement(using: &random) ?? .zeros
        let bytes = elements.bytes(type, count: count, isPacked: true, &random)
        tensor.append(ONNXField.Tensor.raw, .bytes(bytes))
    }
}
