internal import ApusCore
internal import CApusKernels
internal import Glibc

/// The p-norm of each window. - Source: ONNX LpPool, opset 22.
typealias LpPool = WindowPoolOperator<LpPooling>

/// The p-norm of each whole plane. - Source: ONNX GlobalLpPool, opset 22.
typealias GlobalLpPool = GlobalPoolOperator<LpPooling>

/// `(Σ |x|^p)^(1 / p)`; `p` is 2 unless given, a float in opset 1, an integer later.
struct LpPooling: Pooling {
    private let power: Double

    init(_ node: NodeReader) throws(EngineError) {
        if case .float(let value) = node.node.attributes["p"] {
            power = Double(value)
        } else {
            power = Double(try node.int("p", default: 2))
        }
        guard power.isFinite, power > 0 else {
            throw node.fail("p is \(power), allowed is more than 0")
        }
    }

    var kernel: apus_pool? {
        power == 1 ? APUS_POOL_L1 : power == 2 ? APUS_POOL_L2 : nil
    }
    func initial<Value: Arithmetic>() -> Value { .zero }
    func combine<Value: Arithmetic>(_ total: Value, _ x: Value) -> Value {
        if power == 1 { return .sum(total, x.absolute) }
        if power == 2 { return .sum(total, .product(x, x)) }
        return .sum(total, Value(fromDouble: pow(x.absolute.asDouble, power)))
    }
    func finish<Value: Arithmetic>(_ total: Value, count: Int) -> Value {
        if power == 1 { return total }
        if power == 2 { return total.rooted }
        return Value(fromDouble: pow(total.asDouble, 1 / power))
    }
}
