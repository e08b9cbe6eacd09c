internal import ApusCore

/// The kernel function of a support-vector machine and the vectors it is applied to.
///
/// - Source: ai.onnx.ml SVMClassifier and SVMRegressor, version 1.
struct SupportVectors: Sendable {
    private enum Kernel: String {
        case linear = "LINEAR", poly = "POLY", rbf = "RBF", sigmoid = "SIGMOID"
    }
    private let kernel: Kernel
    private let gamma: Float
    private let coefficient: Float
    private let degree: Float
    private let vectors: FeatureVectors

    var count: Int { vectors.count }
    var featureCount: Int { vectors.length }

    /// - Parameters:
    ///   - values: all vectors, one after the other.
    ///   - isLinear: plain products whatever `kernel_type` says: the vectors are hyperplanes.
    init(
        _ node: NodeReader, _ values: [Float], count: Int, isLinear: Bool, attribute: String
    ) throws(EngineError) {
        guard count > 0, !values.isEmpty, values.count % count == 0 else {
            throw node.fail(
                "attribute \"\(attribute)\" has \(values.count) values for \(count) vectors")
        }
        let name = try node.string("kernel_type", default: "LINEAR")
        guard let kernel = Kernel(rawValue: name) else {
            throw node.fail("attribute \"kernel_type\" is \"\(name)\"")
        }
        let parameters = try node.floats("kernel_params") ?? []
        guard parameters.isEmpty || parameters.count == 3 else {
            throw node.fail(
                "attribute \"kernel_params\" has \(parameters.count) values, expected 3")
        }
        self.kernel = isLinear ? .linear : kernel
        gamma = parameters.first ?? 0
        coefficient = parameters.isEmpty ? 0 : parameters[1]
        degree = parameters.isEmpty ? 0 : parameters[2]
        vectors = FeatureVectors(values, count: count, length: values.count / count)
    }

    /// The vectors in the layout of a set of kernels, for `apply`.
    func bound(to kernels: Kernels) throws(EngineError) -> BoundVectors {
        try vectors.bound(to: kernels)
    }

    /// `results[v] = K(x, vector v)`.
    func apply(
        _ bound: BoundVectors, _ x: UnsafePointer<Float>,
        _ results: UnsafeMutablePointer<Float>
    ) {
        if kernel == .rbf {
            vectors.distances(x, results)
            for v in 0..<count { results[v] = Float.exp(-gamma * results[v]) }
            return
        }
        bound.products(x, results)
        switch kernel {
        case .linear, .rbf: return
        case .sigmoid:
            for v in 0..<count { results[v] = Float.tanh(gamma * results[v] + coefficient) }
        case .poly:
            for v in 0..<count {
                let base = gamma * results[v] + coefficient
                results[v] =
                    degree == 2
                    ? base * base : degree == 3 ? base * base * base : Float.pow(base, degree)
            }
        }
    }
}
