internal import CApusKernels

/// An activation function of a recurrent operator.
///
/// - Source: ONNX LSTM, opset 22, "Activation functions".
struct RecurrentActivation: Sendable {
    enum Function: String, Sendable {
        case relu, tanh, sigmoid, affine
        case leakyRelu = "leakyrelu"
        case thresholdedRelu = "thresholdedrelu"
        case scaledTanh = "scaledtanh"
        case hardSigmoid = "hardsigmoid"
        case elu, softsign, softplus

        /// Default alpha; nil if the function has none and so takes none from the node's list.
        var alpha: Float? {
            switch self {
            case .affine, .thresholdedRelu, .scaledTanh, .elu: 1
            case .leakyRelu: 0.01
            case .hardSigmoid: 0.2
            case .relu, .tanh, .sigmoid, .softsign, .softplus: nil
            }
        }

        /// The same for beta.
        var beta: Float? {
            switch self {
            case .affine: 0
            case .scaledTanh: 1
            case .hardSigmoid: 0.5
            default: nil
            }
        }

        /// The kernel that computes it for `float`.
        var kernel: apus_unary? {
            switch self {
            case .relu: APUS_UNARY_RELU
            case .tanh: APUS_UNARY_TANH
            case .sigmoid: APUS_UNARY_SIGMOID
            case .leakyRelu: APUS_UNARY_LEAKY_RELU
            case .hardSigmoid: APUS_UNARY_HARD_SIGMOID
            case .elu: APUS_UNARY_ELU
            case .softplus: APUS_UNARY_SOFTPLUS
            case .affine, .thresholdedRelu, .scaledTanh, .softsign: nil
            }
        }
    }

    let function: Function
    let alpha: Float
    let beta: Float

    /// The activations of all directions, in the node's order; `defaults` are those of one direction.
    ///
    /// - Throws: for an unknown name or a wrong count.
    static func list(
        _ node: NodeReader, defaults: [Function], directionCount: Int
    ) throws(EngineError) -> [RecurrentActivation] {
        let count = defaults.count * directionCount
        var functions: [Function] = []
        for name in try node.strings("activations") ?? [] {
            let text = String(decoding: name, as: UTF8.self)
            guard let function = Function(rawValue: text.lowercased()) else {
                throw node.fail("activation \"\(text)\" is not known")
            }
            functions.append(function)
        }
        // RNN's list is two long by default, whatever the direction.
        if functions.isEmpty { functions = (0..<directionCount).flatMap { _ in defaults } }
        guard functions.count >= count else {
            throw node.fail("has \(functions.count) activations, expected \(count)")
        }
        var alphas = (try node.floats("activation_alpha") ?? [])[...]
        var betas = (try node.floats("activation_beta") ?? [])[...]
        return functions.prefix(count).map { function in
            let alpha = function.alpha.map { alphas.popFirst() ?? $0 }
            let beta = function.beta.map { betas.popFirst() ?? $0 }
            return RecurrentActivation(function: function, alpha: alpha ?? 0, beta: beta ?? 0)
        }
    }

    /// Applies the function to `count` neighbours, in place.
    @inline(__always)
    func apply<Value: RecurrentValue>(
        _ x: UnsafeMutablePointer<Value>, _ count: Int, _ kernels: Kernels
    ) {
        if let kernel = function.kernel,
            Value.apply(kernel, x, count, alpha: alpha, beta: beta, kernels)
        {
            return
        }
        let (alpha, beta) = (Value(alpha), Value(beta))
        switch function {
        case .relu: for i in 0..<count { x[i] = x[i] < 0 ? 0 : x[i] }
        case .tanh: for i in 0..<count { x[i] = Value.tanh(x[i]) }
        case .sigmoid: for i in 0..<count { x[i] = 1 / (1 + Value.exp(-x[i])) }
        case .affine: for i in 0..<count { x[i] = alpha * x[i] + beta }
        case .leakyRelu: for i in 0..<count { x[i] = x[i] < 0 ? alpha * x[i] : x[i] }
        case .thresholdedRelu: for i in 0..<count { x[i] = x[i] < alpha ? 0 : x[i] }
        case .scaledTanh: for i in 0..<count { x[i] = alpha * Value.tanh(beta * x[i]) }
        case .hardSigmoid:
            for i in 0..<count {
                let y = alpha * x[i] + beta
                x[i] = y < 0 ? 0 : y > 1 ? 1 : y
            }
        case .elu: for i in 0..<count { x[i] = x[i] < 0 ? alpha * (Value.exp(x[i]) - 1) : x[i] }
        case .softsign: for i in 0..<count { x[i] /= 1 + abs(x[i]) }
        case .softplus:
            for i in 0..<count {
                x[i] = Value.log1p(Value.exp(-abs(x[i]))) + (x[i] > 0 ? x[i] : 0)
            }
        }
    }
}
