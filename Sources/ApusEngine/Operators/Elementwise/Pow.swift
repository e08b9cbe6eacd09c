internal import ApusCore
internal import Glibc

/// `base ^ exponent` with broadcasting, in the type of the base; the exponent may have another.
///
/// - Types: all floats and integers. Integers to a power of integers wrap; a negative power of an
///   integer is truncated.
/// - Source: ONNX Pow, opset 15.
struct Pow: StepOperator {
    private let alignment: LegacyBroadcast

    init(_ node: NodeReader) throws(EngineError) { alignment = try LegacyBroadcast(node) }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [PlannedTensor(try inputs.dataType(0), try alignment.outputShape(inputs))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let types = (try builder.inputs.dataType(0), try builder.inputs.dataType(1))
        let layout = StridedLayout(
            output: builder.outputs[0].shape, broadcasting: try alignment.shapes(builder.inputs))
        let integers = types.0.isInteger ? try types.1.visitInteger(ReaderOfIntegers()) : nil
        guard let exponents = try types.1.visitNumber(ReaderOfDoubles()),
            let body = try types.0.visitNumber(
                PowBody(layout: layout, exponents: exponents, integers: integers))
        else { throw builder.inputs.fail("types \(types) are not supported") }
        builder.addParallelStep(
            count: layout.count, grain: 512, operationCount: layout.count * 20, body)
    }
}

typealias DoubleReader = @Sendable (UnsafeRawPointer, Int) -> Double
private typealias IntegerReader = @Sendable (UnsafeRawPointer, Int) -> Int64

/// Makes a function that reads element `i` of a tensor of some type.
struct ReaderOfDoubles: NumberVisitor {
    func visit<Element: Number>(_ type: Element.Type) -> DoubleReader {
        { $0.assumingMemoryBound(to: Element.self)[$1].value.asDouble }
    }
}

private struct ReaderOfIntegers: IntegerVisitor {
    func visit<Element: IntegerNumber>(_ type: Element.Type) -> IntegerReader {
        { Int64(clamping: $0.assumingMemoryBound(to: Element.self)[$1]) }
    }
}

private struct PowBody: NumberVisitor {
    let layout: StridedLayout
    let exponents: DoubleReader
    /// Nil unless base and exponent are integers.
    let integers: IntegerReader?

    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        let (layout, exponents, integers) = (layout, exponents, integers)
        let isFloat = Element.Value.self == Float.self
        let (aStep, bStep) = (layout.innerStrides[0], layout.innerStrides[1])
        return { frame, range in
            let a = frame.input(0, as: Element.self)
            let b = frame.rawInput(1)
            let y = frame.output(0, as: Element.self)
            layout.forEachRun(range) { run in
                for i in 0..<run.count {
                    let base = a[run.offsets[0] &+ i &* aStep].value
                    let at = run.offsets[1] &+ i &* bStep
                    let power: Element.Value
                    if let integers {
                        power = integerPower(base, integers(b, at))
                    } else {
                        let exponent = exponents(b, at)
                        power = realPower(base, exponent, isFloat: isFloat)
                    }
                    y[run.start + i] = Element(storing: power)
                }
            }
        }
    }
}

@inline(__always)
private func realPower<Value: Arithmetic>(
    _ base: Value, _ exponent: Double, isFloat: Bool
) -> Value {
    if exponent == 2 { return .product(base, base) }
    if isFloat {
        return Value(fromDouble: Double(Glibc.pow(Float(base.asDouble), Float(exponent))))
    }
    return Value(fromDouble: Glibc.pow(base.asDouble, exponent))
}

private func integerPower<Value: Arithmetic>(_ base: Value, _ exponent: Int64) -> Value {
    guard exponent >= 0 else {
        return Value(fromDouble: Glibc.pow(base.asDouble, Double(exponent)))
    }
    var result = Value.one
    var factor = base
    var rest = exponent
    while rest > 0 {
        if rest & 1 == 1 { result = .product(result, factor) }
        factor = .product(factor, factor)
        rest >>= 1
    }
    return result
}

extension Pow {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [
            try node.broadcast(
                shapes: try node.valid { () throws(EngineError) in
                    try alignment.shapes(node.inputs)
                })
        ]
    }
}
