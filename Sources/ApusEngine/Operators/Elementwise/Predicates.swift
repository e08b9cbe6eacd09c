internal import ApusCore

/// A question about two numbers.
protocol BinaryPredicate: Sendable {
    static func holds<Value: Arithmetic>(_ a: Value, _ b: Value) -> Bool
    /// The same about strings; nil if it cannot be asked.
    static func holds(_ a: [UInt8], _ b: [UInt8]) -> Bool?
    /// Whether it can be asked about booleans.
    static var takesBool: Bool { get }
}

extension BinaryPredicate {
    static func holds(_ a: [UInt8], _ b: [UInt8]) -> Bool? { nil }
    static var takesBool: Bool { false }
}

struct IsEqual: BinaryPredicate {
    static func holds<Value: Arithmetic>(_ a: Value, _ b: Value) -> Bool { a == b }
    static func holds(_ a: [UInt8], _ b: [UInt8]) -> Bool? { a == b }
    static var takesBool: Bool { true }
}

struct IsGreater: BinaryPredicate {
    static func holds<Value: Arithmetic>(_ a: Value, _ b: Value) -> Bool { a > b }
}

struct IsLess: BinaryPredicate {
    static func holds<Value: Arithmetic>(_ a: Value, _ b: Value) -> Bool { a < b }
}

struct IsGreaterOrEqual: BinaryPredicate {
    static func holds<Value: Arithmetic>(_ a: Value, _ b: Value) -> Bool { a >= b }
}

struct IsLessOrEqual: BinaryPredicate {
    static func holds<Value: Arithmetic>(_ a: Value, _ b: Value) -> Bool { a <= b }
}

/// Both, either, or just one of two booleans.
struct IsBoth: BinaryPredicate {
    static func holds<Value: Arithmetic>(_ a: Value, _ b: Value) -> Bool {
        a != .zero && b != .zero
    }
    static var takesBool: Bool { true }
}

struct IsEither: BinaryPredicate {
    static func holds<Value: Arithmetic>(_ a: Value, _ b: Value) -> Bool {
        a != .zero || b != .zero
    }
    static var takesBool: Bool { true }
}

struct IsJustOne: BinaryPredicate {
    static func holds<Value: Arithmetic>(_ a: Value, _ b: Value) -> Bool {
        (a != .zero) != (b != .zero)
    }
    static var takesBool: Bool { true }
}

/// Asks a question about every pair of elements, with broadcasting: ONNX Equal, Greater, Less,
/// GreaterOrEqual, LessOrEqual, And, Or, Xor. NaN is equal to nothing and in no order.
struct Comparison<Predicate: BinaryPredicate>: StringOperator {
    private let alignment: LegacyBroadcast

    init(_ node: NodeReader) throws(EngineError) { alignment = try LegacyBroadcast(node) }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        _ = try inputs.commonType(0..<2)
        return [PlannedTensor(.bool, try alignment.outputShape(inputs))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let type = try builder.inputs.dataType(0)
        let layout = StridedLayout(
            output: builder.outputs[0].shape, broadcasting: try alignment.shapes(builder.inputs))
        let visitor = ComparisonBody<Predicate>(layout: layout)
        guard let body = try type.visitNumber(visitor, takesBool: Predicate.takesBool) else {
            throw builder.inputs.fail("elements of type \(type) are not supported")
        }
        builder.addParallelStep(
            count: layout.count, grain: 4096, operationCount: layout.count * 2, body)
    }

    func evaluateStrings(
        _ inputs: [Tensor?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        guard inputs.count == 2, let a = inputs[0]?.strings, let b = inputs[1]?.strings,
            let aShape = inputs[0]?.shape, let bShape = inputs[1]?.shape
        else { throw context.fail("takes two tensors of strings") }
        let shape = try context.planInputs(inputs).broadcast(aShape, bShape)
        guard let count = shape.checkedElementCount else { throw context.fail("result too large") }
        try context.reserve(count: count, byteCount: 2)
        let layout = StridedLayout(output: shape, broadcasting: [aShape, bShape])
        var results: [Bool] = []
        try context.forEachPiece(of: 0..<count) { piece throws(EngineError) in
            for position in piece {
                let offsets = layout.offsets(at: position)
                guard let answer = Predicate.holds(a[offsets[0]], b[offsets[1]]) else {
                    throw context.fail("does not take strings")
                }
                results.append(answer)
            }
        }
        return [try context.make(.bool, shape, results)]
    }
}

private struct ComparisonBody<Predicate: BinaryPredicate>: NumberVisitor {
    let layout: StridedLayout

    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        let layout = layout
        let aStep = layout.innerStrides[0]
        let bStep = layout.innerStrides[1]
        return { frame, range in
            let a = frame.input(0, as: Element.self)
            let b = frame.input(1, as: Element.self)
            let y = frame.output(0, as: UInt8.self)
            layout.forEachRun(range) { run in
                let a = a + run.offsets[0]
                let b = b + run.offsets[1]
                let y = y + run.start
                for i in 0..<run.count {
                    y[i] = Predicate.holds(a[i &* aStep].value, b[i &* bStep].value) ? 1 : 0
                }
            }
        }
    }
}

extension Comparison {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [
            try node.broadcast(
                shapes: try node.valid { () throws(EngineError) in
                    try alignment.shapes(node.inputs)
                })
        ]
    }
}
