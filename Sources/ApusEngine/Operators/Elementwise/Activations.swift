internal import CApusKernels

// Activation functions, each by the formula of its ONNX page. Attributes default as there.

/// `max(0, x)`; NaN stays NaN.
struct Relu: NumberFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_unary? { APUS_UNARY_RELU }
    func callAsFunction<Value: Arithmetic>(_ x: Value) -> Value { x < .zero ? .zero : x }
}

/// `1 / (1 + exp(-x))`.
struct Sigmoid: FloatFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_unary? { APUS_UNARY_SIGMOID }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { 1 / (1 + .exp(-x)) }
}

/// `x` above zero, else `alpha * x`.
struct LeakyRelu: FloatFunction {
    private let alpha: Float
    init(_ node: NodeReader) throws(EngineError) { alpha = try node.float("alpha", default: 0.01) }
    var kernel: apus_unary? { APUS_UNARY_LEAKY_RELU }
    var parameters: [Float] { [alpha] }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { x < 0 ? Value(alpha) * x : x }
}

/// `x` above zero, else `alpha * (exp(x) - 1)`.
struct Elu: FloatFunction {
    private let alpha: Float
    init(_ node: NodeReader) throws(EngineError) { alpha = try node.float("alpha", default: 1) }
    var kernel: apus_unary? { APUS_UNARY_ELU }
    var parameters: [Float] { [alpha] }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value {
        x < 0 ? Value(alpha) * (.exp(x) - 1) : x
    }
}

/// `gamma * x` above zero, else `gamma * (alpha * exp(x) - alpha)`.
struct Selu: FloatFunction {
    private let alpha: Float
    private let gamma: Float
    init(_ node: NodeReader) throws(EngineError) {
        // Until opset 6 the defaults were rounded to four digits.
        let isOld = node.opsetVersion < 6
        alpha = try node.float("alpha", default: isOld ? 1.6732 : 1.67326319217681884765625)
        gamma = try node.float("gamma", default: isOld ? 1.0507 : 1.05070102214813232421875)
    }
    var kernel: apus_unary? { APUS_UNARY_SELU }
    var parameters: [Float] { [alpha, gamma] }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value {
        let (alpha, gamma) = (Value(alpha), Value(gamma))
        return x <= 0 ? gamma * (alpha * .exp(x) - alpha) : gamma * x
    }
}

/// `max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`.
struct Celu: FloatFunction {
    private let alpha: Float
    init(_ node: NodeReader) throws(EngineError) { alpha = try node.float("alpha", default: 1) }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value {
        let alpha = Value(alpha)
        let below = alpha * (.exp(x / alpha) - 1)
        return Value.larger(0, x) + Value.smaller(0, below)
    }
}

/// `x` above `alpha`, else 0.
struct ThresholdedRelu: FloatFunction {
    private let alpha: Float
    init(_ node: NodeReader) throws(EngineError) { alpha = try node.float("alpha", default: 1) }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { x > Value(alpha) ? x : 0 }
}

/// `max(0, min(1, alpha * x + beta))`.
struct HardSigmoid: FloatFunction {
    private let alpha: Float
    private let beta: Float
    init(_ node: NodeReader) throws(EngineError) {
        alpha = try node.float("alpha", default: 0.2)
        beta = try node.float("beta", default: 0.5)
    }
    var kernel: apus_unary? { APUS_UNARY_HARD_SIGMOID }
    var parameters: [Float] { [alpha, beta] }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value {
        let line = Value(alpha) * x + Value(beta)
        return line < 0 ? 0 : line > 1 ? 1 : line
    }
}

/// `x * max(0, min(1, x / 6 + 1 / 2))`.
struct HardSwish: FloatFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_unary? { APUS_UNARY_HARD_SWISH }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value {
        let line = x / 6 + 0.5
        return x * (line < 0 ? 0 : line > 1 ? 1 : line)
    }
}

/// `log(1 + exp(x))`.
struct Softplus: FloatFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_unary? { APUS_UNARY_SOFTPLUS }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value {
        let rest = Value.log1p(.exp(-x.magnitude))
        return rest + (x > 0 ? x : 0)
    }
}

/// `x / (1 + |x|)`.
struct Softsign: FloatFunction {
    init(_ node: NodeReader) {}
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value { x / (1 + x.magnitude) }
}

/// `x * tanh(softplus(x))`.
struct Mish: FloatFunction {
    init(_ node: NodeReader) {}
    var kernel: apus_unary? { APUS_UNARY_MISH }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value {
        let rest = Value.log1p(.exp(-x.magnitude))
        let softplus = rest + (x > 0 ? x : 0)
        return x * .tanh(softplus)
    }
}

/// `x * sigmoid(alpha * x)`.
struct Swish: FloatFunction {
    private let alpha: Float
    init(_ node: NodeReader) throws(EngineError) { alpha = try node.float("alpha", default: 1) }
    var kernel: apus_unary? { alpha == 1 ? APUS_UNARY_SILU : nil }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value {
        x / (1 + .exp(-(Value(alpha) * x)))
    }
}

/// `x / 2 * (1 + erf(x / √2))`; with `approximate` "tanh"
/// `x / 2 * (1 + tanh(√(2 / π) * (x + 0.044715 * x³)))`.
struct Gelu: FloatFunction {
    private let isApproximate: Bool
    init(_ node: NodeReader) throws(EngineError) {
        let name = try node.string("approximate", default: "none")
        guard name == "none" || name == "tanh" else {
            throw node.fail("attribute \"approximate\" is \"\(name)\", not none or tanh")
        }
        isApproximate = name == "tanh"
    }
    var kernel: apus_unary? { isApproximate ? APUS_UNARY_GELU_TANH : APUS_UNARY_GELU_ERF }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value {
        if isApproximate {
            let inner = 0.7978845608028654 * (x + 0.044715 * x * x * x)
            return 0.5 * x * (1 + .tanh(inner))
        }
        return 0.5 * x * (1 + .erf(x * 0.7071067811865476))
    }
}

/// `x + bias` below `-lambd`, `x - bias` above `lambd`, else 0.
struct Shrink: NumberFunction {
    private let bias: Double
    private let lambda: Double
    init(_ node: NodeReader) throws(EngineError) {
        bias = Double(try node.float("bias", default: 0))
        lambda = Double(try node.float("lambd", default: 0.5))
    }
    func callAsFunction<Value: Arithmetic>(_ x: Value) -> Value {
        let wide = x.asDouble
        if wide < -lambda { return Value(fromDouble: wide + bias) }
        if wide > lambda { return Value(fromDouble: wide - bias) }
        return .zero
    }
}
