internal import CApusKernels

// ONNX Add, Sub, Mul, Div and Mod. Integers wrap; an integer divided by zero gives zero.

struct Add: BinaryFunction {
    init(_ node: NodeReader) {}
    init() {}
    var kernel: apus_binary? { APUS_BINARY_ADD }
    func callAsFunction<Value: Arithmetic>(_ a: Value, _ b: Value) -> Value { .sum(a, b) }
}

struct Sub: BinaryFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_binary? { APUS_BINARY_SUB }
    func callAsFunction<Value: Arithmetic>(_ a: Value, _ b: Value) -> Value { .difference(a, b) }
}

struct Mul: BinaryFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_binary? { APUS_BINARY_MUL }
    func callAsFunction<Value: Arithmetic>(_ a: Value, _ b: Value) -> Value { .product(a, b) }
}

struct Div: BinaryFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_binary? { APUS_BINARY_DIV }
    func callAsFunction<Value: Arithmetic>(_ a: Value, _ b: Value) -> Value { .quotient(a, b) }
}

/// The remainder, with the divisor's sign or (`fmod`) with the dividend's.
struct Mod: BinaryFunction {
    private let truncates: Bool
    init(_ node: NodeReader) throws(EngineError) { truncates = try node.flag("fmod") }
    func callAsFunction<Value: Arithmetic>(_ a: Value, _ b: Value) -> Value {
        truncates ? .truncatedRemainder(a, b) : .flooredRemainder(a, b)
    }
}

/// `x` above zero, else `slope * x`.
struct PRelu: BinaryFunction {
    init(_ node: NodeReader) {}
    func callAsFunction<Value: Arithmetic>(_ x: Value, _ slope: Value) -> Value {
        x < .zero ? .product(slope, x) : x
    }
}

struct Larger: BinaryFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_binary? { APUS_BINARY_MAX }
    func callAsFunction<Value: Arithmetic>(_ a: Value, _ b: Value) -> Value { .larger(a, b) }
}

struct Smaller: BinaryFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_binary? { APUS_BINARY_MIN }
    func callAsFunction<Value: Arithmetic>(_ a: Value, _ b: Value) -> Value { .smaller(a, b) }
}
