/// The name, type and shape of one input or output of a model.
public struct TensorSpecification: Sendable, Hashable {
    public let name: String
    public let dataType: DataType
    /// Dimensions as the model has them, batch dimension included; -1 where any length is allowed.
    /// `[-1]` where the model does not even say how many there are, see `hasRank`.
    public let shape: Shape
    /// False if tensors of every shape are allowed.
    public let hasRank: Bool
    /// Names of the symbolic dimensions, where the model gives them, at the same positions.
    public let dimensionNames: [String?]
    /// Whether a request may leave this input out.
    public let isOptional: Bool

    public init(
        name: String, dataType: DataType, shape: Shape, hasRank: Bool = true,
        dimensionNames: [String?]? = nil, isOptional: Bool = false
    ) {
        self.name = name
        self.dataType = dataType
        self.shape = shape
        self.hasRank = hasRank
        self.dimensionNames = dimensionNames ?? shape.map { _ in nil }
        self.isOptional = isOptional
    }
}

/// What a model takes and gives.
public struct ModelSignature: Sendable, Hashable {
    public let inputs: [TensorSpecification]
    public let outputs: [TensorSpecification]

    public init(inputs: [TensorSpecification], outputs: [TensorSpecification]) {
        self.inputs = inputs
        self.outputs = outputs
    }

    /// Whether every input and output has a first dimension of any length, so that requests can be
    /// joined along it.
    public var isBatchable: Bool {
        !inputs.isEmpty && !outputs.isEmpty
            && (inputs + outputs).allSatisfy { $0.shape.first == -1 && $0.hasRank }
    }
}
