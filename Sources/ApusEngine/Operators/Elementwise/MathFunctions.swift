internal import CApusKernels

// The functions of the C mathematics library and their like: ONNX Abs, Neg, Sign, Floor, Ceil, Round,
// Sqrt, Reciprocal, Exp, Log, Erf and the trigonometric and hyperbolic functions.

struct Abs: NumberFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_unary? { APUS_UNARY_ABS }
    func callAsFunction<Value: Arithmetic>(_ x: Value) -> Value { x.absolute }
}

struct Neg: NumberFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_unary? { APUS_UNARY_NEG }
    func callAsFunction<Value: Arithmetic>(_ x: Value) -> Value { x.negated }
}

struct Sign: NumberFunction {
    init(_ node: NodeReader) {}
    func callAsFunction<Value: Arithmetic>(_ x: Value) -> Value { x.signValue }
}

struct Floor: FloatFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_unary? { APUS_UNARY_FLOOR }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { x.rounded(.down) }
}

struct Ceil: FloatFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_unary? { APUS_UNARY_CEIL }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { x.rounded(.up) }
}

/// Halves go to the even neighbour.
struct Round: FloatFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_unary? { APUS_UNARY_ROUND }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { x.rounded(.toNearestOrEven) }
}

struct Sqrt: FloatFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_unary? { APUS_UNARY_SQRT }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { x.squareRoot() }
}

struct Reciprocal: FloatFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_unary? { APUS_UNARY_RECIPROCAL }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { 1 / x }
}

struct Exp: FloatFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_unary? { APUS_UNARY_EXP }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { .exp(x) }
}

struct Log: FloatFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_unary? { APUS_UNARY_LOG }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { .log(x) }
}

struct Erf: FloatFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_unary? { APUS_UNARY_ERF }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { .erf(x) }
}

struct Sin: FloatFunction {
    init(_ node: NodeReader) {}
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { .sin(x) }
}

struct Cos: FloatFunction {
    init(_ node: NodeReader) {}
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { .cos(x) }
}

struct Tan: FloatFunction {
    init(_ node: NodeReader) {}
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { .tan(x) }
}

struct Asin: FloatFunction {
    init(_ node: NodeReader) {}
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { .asin(x) }
}

struct Acos: FloatFunction {
    init(_ node: NodeReader) {}
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { .acos(x) }
}

struct Atan: FloatFunction {
    init(_ node: NodeReader) {}
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { .atan(x) }
}

struct Sinh: FloatFunction {
    init(_ node: NodeReader) {}
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { .sinh(x) }
}

struct Cosh: FloatFunction {
    init(_ node: NodeReader) {}
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { .cosh(x) }
}

struct Tanh: FloatFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_unary? { APUS_UNARY_TANH }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { .tanh(x) }
}

struct Asinh: FloatFunction {
    init(_ node: NodeReader) {}
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { .asinh(x) }
}

struct Acosh: FloatFunction {
    init(_ node: NodeReader) {}
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { .acosh(x) }
}

struct Atanh: FloatFunction {
    init(_ node: NodeReader) {}
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { .atanh(x) }
}
