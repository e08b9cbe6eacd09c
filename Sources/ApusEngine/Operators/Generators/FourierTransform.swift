internal import Glibc

/// The discrete Fourier transform of one length, in `double`: Bluestein's algorithm over a radix-2
/// transform, or the latter alone for powers of two.
///
/// - Complexity: O(n log n). - Source: Bluestein 1970; Cooley & Tukey 1965.
struct FourierTransform: Sendable {
    typealias Complex = SIMD2<Double>

    let length: Int
    private let isInverse: Bool
    /// Length of the radix-2 transform.
    private let size: Int
    private let roots: [Complex]
    /// `exp(∓πi k² / n)`, and the transform of its conjugate; empty for powers of two.
    private let chirp: [Complex]
    private let filter: [Complex]

    /// - Parameter length: at least 1.
    init(length: Int, isInverse: Bool) {
        self.length = length
        self.isInverse = isInverse
        let isPower = length & (length - 1) == 0
        var size = 1
        while size < (isPower ? length : 2 * length - 1) { size *= 2 }
        let sign = isPower && isInverse ? 1.0 : -1.0
        let roots = (0..<max(size / 2, 1)).map {
            Self.unit(sign * 2 * .pi * Double($0) / Double(size))
        }
        self.size = size
        self.roots = roots
        guard !isPower else {
            chirp = []
            filter = []
            return
        }
        let turn = isInverse ? Double.pi : -Double.pi
        // k² modulo 2n keeps the angle small and exact.
        let chirp = (0..<length).map { k -> Complex in
            let square = k.multipliedFullWidth(by: k)
            let rest = (2 * length).dividingFullWidth(square).remainder
            return Self.unit(turn * Double(rest) / Double(length))
        }
        var filter = [Complex](repeating: .zero, count: size)
        for k in 0..<length {
            let conjugate = Complex(chirp[k].x, -chirp[k].y)
            filter[k] = conjugate
            if k > 0 { filter[size - k] = conjugate }
        }
        filter.withUnsafeMutableBufferPointer { filter in
            filter.baseAddress.map { Self.transform($0, count: size, roots) }
        }
        self.chirp = chirp
        self.filter = filter
    }

    /// Bytes that the tables of a transform take.
    static func tableByteCount(length: Int) -> Int { 6 * length * MemoryLayout<Complex>.stride }

    /// Complex numbers that `callAsFunction` works on.
    var scratchCount: Int { length + (chirp.isEmpty ? 0 : size) }

    /// Transforms the first `length` of `values` in place; the inverse transform is divided by the
    /// length.
    ///
    /// - Parameter values: `scratchCount` numbers.
    func callAsFunction(_ values: UnsafeMutablePointer<Complex>) {
        if chirp.isEmpty {
            Self.transform(values, count: size, roots)
        } else {
            let work = values + length
            for k in 0..<length { work[k] = Self.product(values[k], chirp[k]) }
            (work + length).update(repeating: .zero, count: size - length)
            Self.transform(work, count: size, roots)
            for k in 0..<size {
                let product = Self.product(work[k], filter[k])
                // Conjugating before and after makes the next transform the inverse one.
                work[k] = Complex(product.x, -product.y)
            }
            Self.transform(work, count: size, roots)
            let scale = 1 / Double(size)
            for k in 0..<length {
                values[k] = Self.product(Complex(work[k].x, -work[k].y) * scale, chirp[k])
            }
        }
        if isInverse {
            let scale = 1 / Double(length)
            for k in 0..<length { values[k] *= scale }
        }
    }

    private static func unit(_ angle: Double) -> Complex {
        Complex(Glibc.cos(angle), Glibc.sin(angle))
    }

    private static func product(_ a: Complex, _ b: Complex) -> Complex {
        Complex(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x)
    }

    /// In place; `count` is a power of two, twice the number of roots.
    private static func transform(
        _ values: UnsafeMutablePointer<Complex>, count: Int, _ roots: [Complex]
    ) {
        guard count > 1 else { return }
        var reversed = 0
        for index in 1..<count {
            var bit = count >> 1
            while reversed & bit != 0 {
                reversed ^= bit
                bit >>= 1
            }
            reversed |= bit
            if index < reversed { swap(&values[index], &values[reversed]) }
        }
        var half = 1
        while half < count {
            let stride = count / (2 * half)
            for block in Swift.stride(from: 0, to: count, by: 2 * half) {
                for k in 0..<half {
                    let odd = product(values[block + k + half], roots[k * stride])
                    let even = values[block + k]
                    values[block + k] = even + odd
                    values[block + k + half] = even - odd
                }
            }
            half *= 2
        }
    }
}
