internal import ApusCore
internal import CApusKernels

/// The mean of each window.
///
/// - Shapes: `X [N, C, spatial]`, `Y [N, C, spatial']`. - Types: floats.
/// - Source: ONNX AveragePool, opset 22. Windows that reach beyond the padding (`ceil_mode`) count
///   what lies in image and padding, as in PyTorch.
typealias AveragePool = WindowPoolOperator<AveragePooling>

/// The mean of each whole plane. - Source: ONNX GlobalAveragePool, opset 22.
typealias GlobalAveragePool = GlobalPoolOperator<AveragePooling>

struct AveragePooling: Pooling {
    let countsPadding: Bool

    init(_ node: NodeReader) throws(EngineError) {
        countsPadding = try node.flag("count_include_pad")
    }

    var kernel: apus_pool? { APUS_POOL_AVERAGE }
    func initial<Value: Arithmetic>() -> Value { .zero }
    func combine<Value: Arithmetic>(_ total: Value, _ x: Value) -> Value { .sum(total, x) }
    func finish<Value: Arithmetic>(_ total: Value, count: Int) -> Value {
        .quotient(total, Value(fromDouble: Double(max(count, 1))))
    }
}
