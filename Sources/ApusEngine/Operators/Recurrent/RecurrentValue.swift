internal import CApusKernels

/// What the recurrent operators compute in: `Float` on packed weights and kernels, `Double` on the
/// weights as they are.
protocol RecurrentValue: ProductValue {
    /// Packs weights `[n, k]` into `packedCount` numbers.
    static func pack(
        _ kernels: Kernels, _ weights: UnsafePointer<Self>, k: Int, n: Int,
        into target: UnsafeMutablePointer<Self>)
    /// Columns that one unit of work computes.
    static func columnGrain(_ kernels: Kernels) -> Int
    /// `c[m, columns] = a[m, k] * weights^T + bias`. Every element is one chain of
    /// multiply-adds over k in index order, whatever `m` and the columns.
    static func product(
        _ kernels: Kernels, _ shape: RecurrentProduct, _ a: UnsafePointer<Self>,
        _ packed: UnsafePointer<Self>, _ c: UnsafeMutablePointer<Self>, columns: Range<Int>,
        bias: UnsafePointer<Self>?)
    /// - Returns: false if no kernel computes with the type.
    static func apply(
        _ kernel: apus_unary, _ x: UnsafeMutablePointer<Self>, _ count: Int, alpha: Float,
        beta: Float, _ kernels: Kernels
    ) -> Bool
}

/// Sizes of a product, and the distances between the rows of its operand and result.
struct RecurrentProduct: Sendable {
    var m: Int
    var n: Int
    var k: Int
    var aStride: Int
    var cStride: Int
}

extension Float: RecurrentValue {
    static func pack(
        _ kernels: Kernels, _ weights: UnsafePointer<Float>, k: Int, n: Int,
        into target: UnsafeMutablePointer<Float>
    ) {
        kernels.gemm_pack_b_f32?(weights, 1, Int64(k), k, n, target)
    }

    static func columnGrain(_ kernels: Kernels) -> Int { Int(kernels.gemm_panel_columns) }

    static func product(
        _ kernels: Kernels, _ shape: RecurrentProduct, _ a: UnsafePointer<Float>,
        _ packed: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>, columns: Range<Int>,
        bias: UnsafePointer<Float>?
    ) {
        var epilogue = apus_epilogue(
            bias: bias, residual: nil, residual_stride: 0, activation: -1, parameters: (0, 0))
        kernels.gemm_f32?(
            shape.m, shape.n, shape.k, a, Int64(shape.aStride), packed, c, Int64(shape.cStride),
            columns.lowerBound, columns.upperBound, 1, &epilogue)
    }

    static func apply(
        _ kernel: apus_unary, _ x: UnsafeMutablePointer<Float>, _ count: Int, alpha: Float,
        beta: Float, _ kernels: Kernels
    ) -> Bool {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 2) { parameters in
            parameters[0] = alpha
            parameters[1] = beta
            kernels.unary_f32?(kernel, x, x, count, parameters.baseAddress)
        }
        return true
    }
}

extension Double: RecurrentValue {
    static func pack(
        _ kernels: Kernels, _ weights: UnsafePointer<Double>, k: Int, n: Int,
        into target: UnsafeMutablePointer<Double>
    ) {
        target.update(from: weights, count: k * n)
    }

    static func columnGrain(_ kernels: Kernels) -> Int { 16 }

    static func product(
        _ kernels: Kernels, _ shape: RecurrentProduct, _ a: UnsafePointer<Double>,
        _ packed: UnsafePointer<Double>, _ c: UnsafeMutablePointer<Double>, columns: Range<Int>,
        bias: UnsafePointer<Double>?
    ) {
        for row in 0..<shape.m {
            let a = a + row * shape.aStride
            for column in columns {
                let weights = packed + column * shape.k
                var sum = 0.0
                for i in 0..<shape.k { sum += a[i] * weights[i] }
                c[row * shape.cStride + column] = sum + (bias?[column] ?? 0)
            }
        }
    }

    static func apply(
        _ kernel: apus_unary, _ x: UnsafeMutablePointer<Double>, _ count: Int, alpha: Float,
        beta: Float, _ kernels: Kernels
    ) -> Bool { false }
}
