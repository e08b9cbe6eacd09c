public import ApusCore

/// The type of a value that flows along an edge of the graph.
///
/// - Source: ONNX IR specification, `TypeProto`.
public indirect enum ValueType: Sendable, Hashable {
    case tensor(DataType)
    case sequence(ValueType)
    case optional(ValueType)
    case map(key: DataType, value: ValueType)
}

/// What a graph says about one of its inputs or outputs. What files say about inner values is not
/// read: it may be left over from an earlier state of the graph.
public struct GraphValue: Sendable, Hashable {
    public var name: String
    public var type: ValueType
    /// Nil if even the rank is unknown; -1 for a dimension that is unknown or symbolic.
    public var shape: Shape?
    /// Names of symbolic dimensions, at the same positions as `shape`.
    public var dimensionNames: [String?]

    public init(name: String, type: ValueType, shape: Shape?, dimensionNames: [String?]? = nil) {
        self.name = name
        self.type = type
        self.shape = shape
        self.dimensionNames = dimensionNames ?? (shape ?? []).map { _ in nil }
    }
}

/// A value of a node's attribute.
public enum Attribute: Sendable {
    case int(Int64)
    case float(Float)
    case string([UInt8])
    case tensor(Tensor)
    case graph(Graph)
    case type(ValueType)
    case ints([Int64])
    case floats([Float])
    case strings([[UInt8]])
    case tensors([Tensor])
    case graphs([Graph])
    /// Sparse tensors are made dense when they are read.
    case types([ValueType])
}

/// One application of an operator.
public struct Node: Sendable {
    /// For messages; may be empty.
    public var name: String
    public var opType: String
    /// "" for `ai.onnx`.
    public var domain: String
    /// The version of the operator set that the model imports for this domain.
    public var opsetVersion: Int
    /// Names of values; "" where an optional input is left out.
    public var inputs: [String]
    /// Names of values; "" where an output is not wanted.
    public var outputs: [String]
    public var attributes: [String: Attribute]

    public init(
        name: String, opType: String, domain: String, opsetVersion: Int, inputs: [String],
        outputs: [String], attributes: [String: Attribute]
    ) {
        self.name = name
        self.opType = opType
        self.domain = domain
        self.opsetVersion = opsetVersion
        self.inputs = inputs
        self.outputs = outputs
        self.attributes = attributes
    }

    /// `Conv "conv1"`, or with the first output where the node has no name.
    public var label: String {
        "\(opType) \"\(name.isEmpty ? outputs.first ?? "" : name)\""
    }
}

/// A model, or the body of a control-flow node: nodes in topological order over named values.
public struct Graph: Sendable {
    public var name: String
    /// Inputs without those that are initialisers with a default.
    public var inputs: [GraphValue]
    public var outputs: [GraphValue]
    /// Constants by name.
    public var initializers: [String: Tensor]
    public var nodes: [Node]

    public init(
        name: String, inputs: [GraphValue], outputs: [GraphValue], initializers: [String: Tensor],
        nodes: [Node]
    ) {
        self.name = name
        self.inputs = inputs
        self.outputs = outputs
        self.initializers = initializers
        self.nodes = nodes
    }
}
