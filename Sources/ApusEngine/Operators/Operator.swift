public import ApusCore

/// An operator, bound to the attributes of one node. One implementation serves all opsets: `init`
/// reads `node.opsetVersion` where an older one means something else.
///
/// An operator conforms to exactly one of two refinements: `StepOperator` when output shapes follow
/// from input shapes (and from the contents of inputs like Reshape's `shape`), `ValueOperator` when
/// they depend on data, or when values are strings, sequences, optionals or maps.
public protocol Operator: Sendable {
    /// - Throws: `EngineError.invalidNode`.
    init(_ node: NodeReader) throws(EngineError)

    /// Where the rows of a batch lie in each output, by where they lie in the inputs. One that does not
    /// say so counts as mixing them.
    ///
    /// - Throws: if an output row may depend on several input rows.
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?]

    /// Whether the same inputs give the same outputs each time. False for what draws random numbers,
    /// and for what has such a node in a sub-graph: it is not folded into constants, and two equal
    /// nodes stay two.
    var isDeterministic: Bool { get }
}

extension Operator {
    public var isDeterministic: Bool { true }
}

/// An operator whose work is planned ahead.
public protocol StepOperator: Operator {
    /// The outputs' types and shapes.
    ///
    /// - Throws: `EngineError.invalidNode` if the inputs do not fit (use `inputs.fail`).
    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor]

    /// Adds the work that computes the outputs.
    func plan(_ builder: inout StepBuilder) throws(EngineError)

    /// Positions of inputs whose content `outputs(for:)` or `plan` needs (as `inputs.constant`); if
    /// one of them is computed at run time, the node waits until its content is known.
    var contentInputs: [Int] { get }

    /// The outputs' contents, where they follow from the inputs' shapes alone (Shape, Size).
    func contents(for inputs: PlanInputs) throws(EngineError) -> [Tensor]?

    /// Whether every output element is a copy of an input element of the same type, so that the
    /// operator also works on strings (the engine then moves their indices).
    var movesElements: Bool { get }

    /// Whether the one output has the elements of input 0 in their order.
    var keepsOrder: Bool { get }

    /// Whether the steps write output 0 only if somebody wants it. Where they do not ask, it gets memory
    /// without having a name.
    var mayLeaveOutFirstOutput: Bool { get }
}

extension StepOperator {
    public var contentInputs: [Int] { [] }
    public var movesElements: Bool { false }
    public var keepsOrder: Bool { false }
    public var mayLeaveOutFirstOutput: Bool { false }
    public func contents(for inputs: PlanInputs) throws(EngineError) -> [Tensor]? { nil }
}

/// A step operator that also computes with strings, which do not lie in the arena: nodes that take
/// or make strings run on values.
protocol StringOperator: StepOperator {
    /// Whether the outputs are strings whatever the inputs are.
    var makesStrings: Bool { get }

    /// - Parameter inputs: one per input of the node; nil where an optional one is left out.
    func evaluateStrings(
        _ inputs: [Tensor?], in context: EvaluationContext
    ) throws(EngineError) -> [Value]
}

extension StringOperator {
    var makesStrings: Bool { false }
}

/// An operator that runs on values, outside the arena.
public protocol ValueOperator: Operator {
    /// - Parameter inputs: one per input of the node; nil where an optional one is left out.
    /// - Returns: one value per output of the node's definition (at least as many as the node names).
    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value]
}

/// A value operator with sub-graphs. The engine hands the outer values that they use to
/// `EvaluationContext.run`.
public protocol ControlFlowOperator: ValueOperator {
    var bodies: [Program] { get }
}

extension ControlFlowOperator {
    public var isDeterministic: Bool { bodies.allSatisfy(\.isDeterministic) }
}

/// The type and shape of a tensor in a plan.
public struct PlannedTensor: Sendable, Hashable {
    public var dataType: DataType
    public var shape: Shape

    public init(_ dataType: DataType, _ shape: Shape) {
        self.dataType = dataType
        self.shape = shape
    }
}

/// What is known about a node's inputs when it is planned.
public struct PlanInputs: Sendable {
    /// One input: type, shape, and content where that is constant.
    public struct Input: Sendable {
        public var tensor: PlannedTensor
        /// Elements that only this plan knows.
        var known: Tensor?
        /// Elements that the model has, until all nodes have them in layouts of their own.
        var modelConstant: ModelConstant?

        public var constant: Tensor? { known ?? modelConstant?.content }
    }

    let node: String
    let inputs: [Input?]
    /// How many outputs the node names; trailing ones may be left out.
    public let outputCount: Int

    init(node: String, inputs: [Input?], outputCount: Int) {
        self.node = node
        self.inputs = inputs
        self.outputCount = outputCount
    }

    public var count: Int { inputs.count }

    /// Whether the node names this input.
    public func has(_ index: Int) -> Bool { index < inputs.count && inputs[index] != nil }

    /// Type and shape of a required input.
    public func tensor(_ index: Int) throws(EngineError) -> PlannedTensor {
        guard index < inputs.count, let input = inputs[index] else {
            throw fail("input \(index) is missing")
        }
        return input.tensor
    }

    public func shape(_ index: Int) throws(EngineError) -> Shape { try tensor(index).shape }
    public func dataType(_ index: Int) throws(EngineError) -> DataType {
        try tensor(index).dataType
    }

    /// The content of an input, if it is constant.
    public func constant(_ index: Int) -> Tensor? {
        index < inputs.count ? inputs[index]?.constant : nil
    }

    /// The content of a 1-D (or scalar) integer input of any integer type; nil if it is left out.
    ///
    /// - Throws: if the input is there but not constant, or not of integers.
    public func integers(_ index: Int) throws(EngineError) -> [Int]? {
        guard has(index) else { return nil }
        guard let constant = constant(index), let values = constant.integers else {
            throw fail("input \(index) must be integers that are known before the run")
        }
        return values
    }

    /// An error that names the node.
    public func fail(_ reason: String) -> EngineError { .invalidNode(node: node, reason: reason) }
}

extension Tensor {
    /// The elements of an integer (or bool) tensor as `Int`; nil for other types or unsigned 64-bit
    /// values that do not fit.
    public var integers: [Int]? {
        switch dataType {
        case .int64: elements(as: Int64.self).map { Int($0) }
        case .int32: elements(as: Int32.self).map { Int($0) }
        case .int16: elements(as: Int16.self).map { Int($0) }
        case .int8, .int4, .int2: elements(as: Int8.self).map { Int($0) }
        case .uint8, .bool, .uint4, .uint2: elements(as: UInt8.self).map { Int($0) }
        case .uint16: elements(as: UInt16.self).map { Int($0) }
        case .uint32: elements(as: UInt32.self).map { Int($0) }
        case .uint64:
            {
                let values = elements(as: UInt64.self)
                return values.allSatisfy { $0 <= UInt64(Int.max) } ? values.map { Int($0) } : nil
            }()
        default: nil
        }
    }
}
