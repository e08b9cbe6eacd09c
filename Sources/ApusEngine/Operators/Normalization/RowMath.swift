internal import CApusKernels

/// What normalisations compute on rows of neighbouring elements: kernels for `Float`, plain loops for
/// `Double`. Sums run in an order that depends on the row's length alone.
struct RowMath<Value: FloatMath>: Sendable {
    private let kernels: Kernels

    init(_ kernels: Kernels) { self.kernels = kernels }

    /// The largest of at least one element; NaN if any is NaN.
    func largest(_ x: UnsafePointer<Value>, _ count: Int) -> Value {
        if let x = x as? UnsafePointer<Float>, let result = kernels.max_f32?(x, count) {
            return Value(fromDouble: Double(result))
        }
        var result = x[0]
        for i in 1..<max(count, 1) { result = .larger(result, x[i]) }
        return result
    }

    /// `y[i] = exp(x[i] - shift)`; returns their sum. `x` and `y` may be the same.
    func exponentials(
        _ x: UnsafePointer<Value>, shift: Value, _ y: UnsafeMutablePointer<Value>, _ count: Int
    ) -> Value {
        if let x = x as? UnsafePointer<Float>, let y = y as? UnsafeMutablePointer<Float>,
            let result = kernels.exp_sum_f32?(x, Float(shift.asDouble), y, count)
        {
            return Value(fromDouble: Double(result))
        }
        var sum = Value.zero
        for i in 0..<count {
            y[i] = .exp(x[i] - shift)
            sum += y[i]
        }
        return sum
    }

    func sum(_ x: UnsafePointer<Value>, _ count: Int) -> Value {
        if let x = x as? UnsafePointer<Float>, let result = kernels.sum_f32?(x, count) {
            return Value(fromDouble: Double(result))
        }
        var sum = Value.zero
        for i in 0..<count { sum += x[i] }
        return sum
    }

    /// `Σ (x[i] - mean)²`.
    func sumOfSquares(_ x: UnsafePointer<Value>, around mean: Value, _ count: Int) -> Value {
        if let x = x as? UnsafePointer<Float>,
            let result = kernels.sum_squares_f32?(x, Float(mean.asDouble), count)
        {
            return Value(fromDouble: Double(result))
        }
        var sum = Value.zero
        for i in 0..<count {
            let difference = x[i] - mean
            sum += difference * difference
        }
        return sum
    }

    /// `y[i] = x[i] * factor`. `x` and `y` may be the same.
    func scale(
        _ x: UnsafePointer<Value>, by factor: Value, _ y: UnsafeMutablePointer<Value>,
        _ count: Int
    ) {
        if let x = x as? UnsafePointer<Float>, let y = y as? UnsafeMutablePointer<Float>,
            let scale = kernels.scale_f32
        {
            return scale(x, Float(factor.asDouble), y, count)
        }
        for i in 0..<count { y[i] = x[i] * factor }
    }

    /// `y[i] = (x[i] - mean) * inverse * scale[i] + bias[i]`, without scale or bias where they are nil.
    /// `x` and `y` may be the same.
    func normalize(
        _ x: UnsafePointer<Value>, mean: Value, inverse: Value, scale: UnsafePointer<Value>?,
        bias: UnsafePointer<Value>?, _ y: UnsafeMutablePointer<Value>, _ count: Int
    ) {
        if let x = x as? UnsafePointer<Float>, let y = y as? UnsafeMutablePointer<Float>,
            let normalize = kernels.normalize_f32
        {
            return normalize(
                x, Float(mean.asDouble), Float(inverse.asDouble), scale as? UnsafePointer<Float>,
                bias as? UnsafePointer<Float>, y, count)
        }
        for i in 0..<count {
            var value = (x[i] - mean) * inverse
            if let scale { value *= scale[i] }
            if let bias { value += bias[i] }
            y[i] = value
        }
    }

    /// `y[i] = x[i] * scale[i * step] + shift[i * step]`, rounded once; `step` is 0 or 1. `x` and `y`
    /// may be the same.
    func affine(
        _ x: UnsafePointer<Value>, scale: UnsafePointer<Value>, shift: UnsafePointer<Value>,
        step: Int, _ y: UnsafeMutablePointer<Value>, _ count: Int
    ) {
        if let x = x as? UnsafePointer<Float>, let y = y as? UnsafeMutablePointer<Float>,
            let scale = scale as? UnsafePointer<Float>,
            let shift = shift as? UnsafePointer<Float>, let affine = kernels.affine_f32
        {
            return affine(x, scale, shift, Int32(step), y, count)
        }
        for i in 0..<count { y[i] = shift[i &* step].addingProduct(x[i], scale[i &* step]) }
    }
}
