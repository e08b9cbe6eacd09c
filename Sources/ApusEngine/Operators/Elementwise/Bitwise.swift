internal import ApusCore

/// A function of the bits of two integers.
protocol BitFunction: Sendable {
    init(_ node: NodeReader) throws(EngineError)
    func callAsFunction<Value: FixedWidthInteger>(_ a: Value, _ b: Value) -> Value
}

struct BitwiseAnd: BitFunction {
    init(_ node: NodeReader) {}
    func callAsFunction<Value: FixedWidthInteger>(_ a: Value, _ b: Value) -> Value { a & b }
}

struct BitwiseOr: BitFunction {
    init(_ node: NodeReader) {}
    func callAsFunction<Value: FixedWidthInteger>(_ a: Value, _ b: Value) -> Value { a | b }
}

struct BitwiseXor: BitFunction {
    init(_ node: NodeReader) {}
    func callAsFunction<Value: FixedWidthInteger>(_ a: Value, _ b: Value) -> Value { a ^ b }
}

/// Shifts `a` by `b` bits; by less than none or more than all, what is left is the extended sign.
struct BitShift: BitFunction {
    private let isLeft: Bool

    init(_ node: NodeReader) throws(EngineError) {
        switch try node.string("direction") {
        case "LEFT": isLeft = true
        case "RIGHT": isLeft = false
        default: throw node.fail("attribute \"direction\" must be LEFT or RIGHT")
        }
    }

    func callAsFunction<Value: FixedWidthInteger>(_ a: Value, _ b: Value) -> Value {
        guard b >= 0, b < Value.bitWidth else { return isLeft || a >= 0 ? 0 : ~0 }
        return isLeft ? a &<< b : a &>> b
    }
}

/// Applies a function of bits to every pair of integers, with broadcasting.
struct BitwiseBinary<Function: BitFunction>: StepOperator {
    private let function: Function

    init(_ node: NodeReader) throws(EngineError) { function = try Function(node) }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let shape = try inputs.broadcast(try inputs.shape(0), try inputs.shape(1))
        return [PlannedTensor(try inputs.commonType(0..<2), shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let type = try builder.inputs.dataType(0)
        let layout = StridedLayout(
            output: builder.outputs[0].shape,
            broadcasting: [try builder.inputs.shape(0), try builder.inputs.shape(1)])
        guard let body = try type.visitInteger(BitwiseBody(function: function, layout: layout))
        else { throw builder.inputs.fail("elements of type \(type) are not integers") }
        builder.addParallelStep(
            count: layout.count, grain: 4096, operationCount: layout.count, body)
    }
}

private struct BitwiseBody<Function: BitFunction>: IntegerVisitor {
    let function: Function
    let layout: StridedLayout

    func visit<Element: IntegerNumber>(_ type: Element.Type) -> StepBody {
        let (function, layout) = (function, layout)
        let aStep = layout.innerStrides[0]
        let bStep = layout.innerStrides[1]
        return { frame, range in
            let a = frame.input(0, as: Element.self)
            let b = frame.input(1, as: Element.self)
            let y = frame.output(0, as: Element.self)
            layout.forEachRun(range) { run in
                let a = a + run.offsets[0]
                let b = b + run.offsets[1]
                let y = y + run.start
                for i in 0..<run.count { y[i] = function(a[i &* aStep], b[i &* bStep]) }
            }
        }
    }
}

/// Flips every bit of every integer.
struct BitwiseNot: ElementwiseOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [try inputs.tensor(0)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let type = try builder.inputs.dataType(0)
        guard type.isInteger, let count = builder.outputs[0].byteCount, type.packedBitCount == nil
        else { throw builder.inputs.fail("elements of type \(type) are not integers") }
        builder.mayReuse(input: 0, forOutput: 0)
        builder.addParallelStep(count: count, grain: 4096, operationCount: count) {
            frame, range in
            let x = frame.input(0, as: UInt8.self)
            let y = frame.output(0, as: UInt8.self)
            for i in range { y[i] = ~x[i] }
        }
    }
}

extension BitwiseBinary {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.broadcast()]
    }
}
