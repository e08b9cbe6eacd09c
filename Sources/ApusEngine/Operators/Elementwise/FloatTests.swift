internal import ApusCore

/// A question about one floating-point number, with the attributes of its node.
protocol FloatPredicate: Sendable {
    init(_ node: NodeReader) throws(EngineError)
    func holds<Value: FloatMath>(_ x: Value) -> Bool
}

struct IsNaN: FloatPredicate {
    init(_ node: NodeReader) {}
    func holds<Value: FloatMath>(_ x: Value) -> Bool { x != x }
}

/// Infinity of the signs that the attributes ask for.
struct IsInf: FloatPredicate {
    private let takesNegative: Bool
    private let takesPositive: Bool

    init(_ node: NodeReader) throws(EngineError) {
        takesNegative = try node.flag("detect_negative", default: true)
        takesPositive = try node.flag("detect_positive", default: true)
    }

    func holds<Value: FloatMath>(_ x: Value) -> Bool {
        (takesPositive && x == .infinity) || (takesNegative && x == -.infinity)
    }
}

/// Asks a question about every element: ONNX IsNaN and IsInf.
///
/// - Types: `float`, `double`, `float16`, `bfloat16`, and the 8-bit floats.
struct FloatTest<Predicate: FloatPredicate>: ElementwiseOperator {
    private let predicate: Predicate

    init(_ node: NodeReader) throws(EngineError) { predicate = try Predicate(node) }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [PlannedTensor(.bool, try inputs.shape(0))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let type = try builder.inputs.dataType(0)
        let count = builder.outputs[0].shape.elementCount
        let body: StepBody
        if let made = try type.visitFloat(FloatTestBody(predicate: predicate)) {
            body = made
        } else if let format = MiniFloat(type) {
            let answers = (0...255).map { predicate.holds(format.decoded(UInt8($0))) }
            body = { frame, range in
                let x = frame.input(0, as: UInt8.self)
                let y = frame.output(0, as: UInt8.self)
                for i in range { y[i] = answers[Int(x[i])] ? 1 : 0 }
            }
        } else {
            throw builder.inputs.fail("elements of type \(type) are not supported")
        }
        builder.addParallelStep(count: count, grain: 4096, operationCount: count, body)
    }
}

private struct FloatTestBody<Predicate: FloatPredicate>: FloatVisitor {
    let predicate: Predicate

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let predicate = predicate
        return { frame, range in
            let x = frame.input(0, as: Element.self)
            let y = frame.output(0, as: UInt8.self)
            for i in range { y[i] = predicate.holds(x[i].value) ? 1 : 0 }
        }
    }
}

/// The other boolean.
struct Not: ElementwiseOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let tensor = try inputs.tensor(0)
        guard tensor.dataType == .bool else {
            throw inputs.fail("input 0 has type \(tensor.dataType), expected bool")
        }
        return [tensor]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        builder.addElementwise { frame, range in
            let x = frame.input(0, as: UInt8.self)
            let y = frame.output(0, as: UInt8.self)
            for i in range { y[i] = x[i] == 0 ? 1 : 0 }
        }
    }
}
