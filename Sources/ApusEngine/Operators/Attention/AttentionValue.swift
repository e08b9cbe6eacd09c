internal import CApusKernels

/// What attention computes in: `Float` by the kernels, `Double` by plain loops. Each result depends
/// on its row alone.
protocol AttentionValue: ProductValue {
    /// NaN if any is NaN; `count` is 1 or more.
    static func largest(_ kernels: Kernels, _ x: UnsafePointer<Self>, _ count: Int) -> Self
    /// `x[i] = exp(x[i] - shift)`; returns the sum of the results.
    static func exponentials(
        _ kernels: Kernels, _ x: UnsafeMutablePointer<Self>, shift: Self, _ count: Int
    ) -> Self
    /// `x[i] *= factor`.
    static func scale(
        _ kernels: Kernels, _ x: UnsafeMutablePointer<Self>, by factor: Self, _ count: Int)
    /// `x[i] = tanh(x[i])`.
    static func hyperbolicTangents(
        _ kernels: Kernels, _ x: UnsafeMutablePointer<Self>, _ count: Int)
}

extension Float: AttentionValue {
    static func largest(_ kernels: Kernels, _ x: UnsafePointer<Float>, _ count: Int) -> Float {
        kernels.max_f32?(x, count) ?? .nan
    }

    static func exponentials(
        _ kernels: Kernels, _ x: UnsafeMutablePointer<Float>, shift: Float, _ count: Int
    ) -> Float {
        kernels.exp_sum_f32?(x, shift, x, count) ?? .nan
    }

    static func scale(
        _ kernels: Kernels, _ x: UnsafeMutablePointer<Float>, by factor: Float, _ count: Int
    ) {
        kernels.scale_f32?(x, factor, x, count)
    }

    static func hyperbolicTangents(
        _ kernels: Kernels, _ x: UnsafeMutablePointer<Float>, _ count: Int
    ) {
        kernels.unary_f32?(APUS_UNARY_TANH, x, x, count, nil)
    }
}

extension Double: AttentionValue {
    static func largest(_ kernels: Kernels, _ x: UnsafePointer<Double>, _ count: Int) -> Double {
        var result = -Double.infinity
        for i in 0..<count { result = .larger(result, x[i]) }
        return result
    }

    static func exponentials(
        _ kernels: Kernels, _ x: UnsafeMutablePointer<Double>, shift: Double, _ count: Int
    ) -> Double {
        var sum = 0.0
        for i in 0..<count {
            x[i] = exp(x[i] - shift)
            sum += x[i]
        }
        return sum
    }

    static func scale(
        _ kernels: Kernels, _ x: UnsafeMutablePointer<Double>, by factor: Double, _ count: Int
    ) {
        for i in 0..<count { x[i] *= factor }
    }

    static func hyperbolicTangents(
        _ kernels: Kernels, _ x: UnsafeMutablePointer<Double>, _ count: Int
    ) {
        for i in 0..<count { x[i] = tanh(x[i]) }
    }
}
