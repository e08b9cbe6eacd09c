import ApusCore

/// A constant of a model, as its file has it until every node that reads it has it in another layout:
/// then its elements are let go, and only the layouts stay.
final class ModelConstant: Sendable {
    /// An input of a node that reads a constant.
    struct Reader: Hashable {
        /// Of the node in its program.
        let node: Int
        let position: Int
    }

    private struct State {
        var content: Tensor?
        /// Those that read it as it is, as far as is known.
        var readers: Set<Reader>
    }

    let name: String
    let tensor: PlannedTensor
    private let state: Guarded<State>

    /// - Parameter readers: all that read it, each of which may come to read a layout instead.
    init(name: String, _ content: Tensor, readers: Set<Reader>) {
        self.name = name
        tensor = PlannedTensor(content.dataType, content.shape)
        state = Guarded(State(content: content, readers: readers))
    }

    /// The elements; nil once nobody needs them as they are.
    var content: Tensor? { state.withLock { $0.content } }

    /// Bytes of the elements that are still kept.
    var byteCount: Int { content?.bytes?.count ?? 0 }

    /// Notes that a node reads a layout of it, in every plan.
    func noteLayout(for reader: Reader) {
        // The last reference is let go outside of the lock.
        let released = state.withLock { state -> Tensor? in
            state.readers.remove(reader)
            guard state.readers.isEmpty else { return nil }
            defer { state.content = nil }
            return state.content
        }
        withExtendedLifetime(released) {}
    }

    /// The elements in memory that steps can read: as they are, or copied once for all plans.
    func alignedBytes() throws(EngineError) -> TensorBytes? {
        guard let content, let bytes = content.bytes else { return nil }
        if bytes.isAligned { return bytes }
        let copy: TensorBytes
        let aligned: Tensor
        do {
            copy = try TensorBytes(lastingByteCount: bytes.count) { target in
                bytes.withUnsafeBytes { target.copyMemory(from: $0) }
            }
            aligned = try Tensor(dataType: tensor.dataType, shape: tensor.shape, bytes: copy)
        } catch {
            throw .outOfMemory(byteCount: bytes.count)
        }
        state.withLock { if $0.content != nil { $0.content = aligned } }
        return copy
    }
}

extension Program {
    /// The constants of a graph, with who reads them.
    static func constants(of graph: Graph, _ nodes: [BoundNode]) -> [String: ModelConstant] {
        var readers: [String: Set<ModelConstant.Reader>] = [:]
        for node in nodes {
            for (position, name) in node.node.inputs.enumerated() {
                readers[name, default: []].insert(.init(node: node.number, position: position))
            }
            // Sub-graphs read it as it is.
            for name in node.captures {
                readers[name, default: []].insert(.init(node: node.number, position: -1))
            }
        }
        for (index, output) in graph.outputs.enumerated() {
            readers[output.name, default: []].insert(.init(node: -1, position: index))
        }
        var constants: [String: ModelConstant] = [:]
        for (name, tensor) in graph.initializers {
            constants[name] = ModelConstant(name: name, tensor, readers: readers[name] ?? [])
        }
        return constants
    }

    /// Bytes of the constants that are still kept as they are, those of sub-graphs included.
    var constantByteCount: Int {
        let bodies = nodes.compactMap { $0.op as? any ControlFlowOperator }.flatMap(\.bodies)
        return constants.values.reduce(0) { $0 + $1.byteCount }
            + bodies.reduce(0) { $0 + $1.constantByteCount }
    }
}
