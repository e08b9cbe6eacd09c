internal import ApusCore

/// The same values in another type: ONNX Cast, and CastLike, whose second input gives the type.
///
/// - Shapes: any; the result has the same.
/// - Types: every pair of types, strings included. Integers are cut to the target's width; floats
///   out of an integer's range saturate, NaN becomes 0; 8-bit floats as `saturate` says.
/// - Source: ONNX Cast, opset 25.
struct Cast: StringOperator {
    /// Nil for CastLike.
    private let target: DataType?
    private let conversion: Conversion.Options

    init(_ node: NodeReader) throws(EngineError) {
        if node.node.opType == "CastLike" {
            target = nil
        } else if node.opsetVersion < 6, let name = try node.string("to") {
            target = Self.byName[name.uppercased()]
            if target == nil { throw node.fail("attribute \"to\" is \(name), which is no type") }
        } else {
            guard let type = try node.dataType("to") else {
                throw node.fail("attribute \"to\" is missing")
            }
            target = type
        }
        let mode = try node.string("round_mode", default: "up")
        guard let rounding = ScaleFloat.Rounding(rawValue: mode) else {
            throw node.fail("attribute \"round_mode\" is \"\(mode)\", not up, down or nearest")
        }
        conversion = Conversion.Options(
            saturates: try node.flag("saturate", default: true), rounding: rounding)
    }

    /// The names that opsets before 6 used.
    private static let byName: [String: DataType] = [
        "FLOAT": .float, "UINT8": .uint8, "INT8": .int8, "UINT16": .uint16, "INT16": .int16,
        "INT32": .int32, "INT64": .int64, "STRING": .string, "BOOL": .bool, "FLOAT16": .float16,
        "DOUBLE": .double, "UINT32": .uint32, "UINT64": .uint64,
    ]

    var makesStrings: Bool { target == .string }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let shape = try inputs.shape(0)
        if let target { return [PlannedTensor(target, shape)] }
        return [PlannedTensor(try inputs.dataType(1), shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.dataType(0)
        let target = builder.outputs[0].dataType
        if source == target { return builder.alias(output: 0, input: 0) }
        guard let body = Conversion.body(from: source, to: target, conversion) else {
            throw builder.inputs.fail("casting \(source) to \(target) is not supported")
        }
        let count = builder.outputs[0].shape.elementCount
        if source.byteCount == target.byteCount { builder.mayReuse(input: 0, forOutput: 0) }
        builder.addParallelStep(
            count: count, grain: 2048, scratchByteCount: Conversion.blockCount * 8,
            operationCount: count * 2, body)
    }

    func evaluateStrings(
        _ inputs: [Tensor?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        guard let source = inputs.first ?? nil else { throw context.fail("input 0 is missing") }
        let type = target ?? (inputs.count > 1 ? inputs[1]?.dataType : nil) ?? source.dataType
        if source.dataType == type { return [.tensor(source)] }
        // Numbers as text, with the text's place and header.
        try context.reserve(count: source.elementCount, byteCount: 80)
        if type == .string {
            guard let strings = try TextNumbers.strings(of: source, context) else {
                throw context.fail("casting \(source.dataType) to strings is not supported")
            }
            return [try context.make(source.shape, strings: strings)]
        }
        guard let strings = source.strings else {
            throw context.fail("casting \(source.dataType) like strings is not supported")
        }
        return [try TextNumbers.tensor(of: strings, source.shape, type, conversion, context)]
    }
}

extension Cast {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        // CastLike reads nothing but the type of its second input.
        [node.rows(0)]
    }
}

extension Cast: RowFactOperator {
    func fact(through node: RowNode) throws(RowMixing) -> RowFact? {
        guard let fact = node.fact(0) else { return nil }
        guard case .numbers = fact, [.int64, .int32].contains(node.outputs[0].dataType) else {
            throw RowMixing(fact.reason)
        }
        return fact
    }
}
